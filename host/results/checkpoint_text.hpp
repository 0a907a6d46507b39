// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a checkpoint says of its run: the text "@meta" beside the arrays
// (schemas/checkpoint.schema.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/data/arrays/array_reader.hpp"
#include "host/json/json.hpp"
#include "host/network/pass.hpp"
#include "host/results/facts.hpp"

namespace qloom::results {

/// Over the steps of the present epoch.
struct EpochSums {
  double loss = 0;
  std::int64_t correct = 0, seen = 0;
};

/// Where a run stands; what a checkpoint holds beside the arrays.
struct Cursor {
  /// kFinal: procedures have done their work after training.
  enum class Weights { kInTraining, kFinal };
  /// Averages (shadows) of this run, or those that came with its starting weights.
  enum class Averages { kOwn, kInherited };
  std::uint64_t stage = 0;              ///< stages that are complete
  std::uint64_t epoch_of_stage = 0;     ///< epochs of the present stage that are complete
  std::uint64_t epochs = 0, steps = 0;  ///< training epochs and steps done
  std::uint64_t round = 0;              ///< rounds of the present stage that are complete
  std::uint64_t step_of_epoch = 0;      ///< steps of the present epoch that are complete
  std::uint64_t optimizer_start = 0;    ///< steps done when the optimizer's arrays began
  EpochSums sums;
  Weights weights = Weights::kInTraining;
  Averages averages = Averages::kOwn;
  std::string loss = "softmax_cross_entropy";  ///< of the last training, also that of a base
  double learning_rate = 0;                    ///< of the last step
};

/// The text as values; not yet compared with a pipeline.
struct CheckpointText {
  json::Json arrays;                 ///< type and shape of all other arrays, by name
  json::Json configuration, inputs;  ///< as the report has them
  json::Json seed;
  Cursor cursor;
  sites::Phase last_pass;
  json::Json series, stages, reloads, warnings, added_rules;
  std::map<std::string, std::vector<double>> custom;
  std::map<std::string, json::Json> tables;               ///< of procedures
  json::Json formats_of_training = json::Json::object();  ///< as facts.hpp has them
  std::optional<Score> final_score;
  std::vector<std::uint32_t> procedure_versions;
};

/// Name, type and shape of every array, so that a checkpoint that lacks one is known.
[[nodiscard]] json::Json list_of(const data::Arrays& arrays);

/// Puts the text beside the arrays.
void add_text(const CheckpointText& text, data::Arrays& arrays);

/// The text as it stands. InputError when there is none.
[[nodiscard]] json::Json read_checkpoint_meta(data::ArrayReader& reader);
[[nodiscard]] json::Json read_checkpoint_meta(const std::filesystem::path& file);

/// The text, checked. InputError when there is none, it is of another version of qloom, damaged, or
/// the file's arrays are not those that it names, of these types and shapes.
[[nodiscard]] CheckpointText read_checkpoint_text(data::ArrayReader& reader,
                                                  const data::Arrays& arrays);

/// InputError unless the arrays of sites are those that the file's own list names, each in its type
/// and shape: state of another type would be taken for none.
void require_site_arrays(data::ArrayReader& reader, const data::Arrays& arrays);

/// What to say about weights that were read: values rounded, arrays that match nothing.
[[nodiscard]] std::vector<Warning> weights_warnings(data::ArrayReader& reader);

/// The loss of the training that made the weights; softmax_cross_entropy where they are no
/// checkpoint.
[[nodiscard]] std::string loss_of_file(data::ArrayReader& reader);

}  // namespace qloom::results
