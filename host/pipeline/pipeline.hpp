// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A pipeline file as a checked, resolved description. Nothing is executed here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/data/datasets/dataset.hpp"
#include "host/data/input_file.hpp"
#include "host/registry/aliases.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/warning.hpp"

namespace qloom::pipeline {

using json::Json;

/// A name as the user wrote it, and where: "<file>: /rules/2/layers/1".
struct Written {
  std::string name, where;
  bool is_exact = false;  ///< of a layer: {"name": ...}, the layer of this name and no other
};

/// A parameter that is written by a name of before, and where its method stands:
/// "<file>: /rules/2/quantizer".
struct Renamed {
  std::string where;
  registry::OldName name;
};

/// What was seen in a pipeline or a rule that works, but is better written otherwise.
struct Notes {
  std::vector<Warning> warnings;  ///< old names, and parameters that have no effect
  std::vector<Renamed> renamed;
  void add(const Notes& more) {
    warnings.insert(warnings.end(), more.warnings.begin(), more.warnings.end());
    renamed.insert(renamed.end(), more.renamed.begin(), more.renamed.end());
  }
};

/// One rule as written (schema-checked, plugin parameters resolved), with where it stands.
struct Rule {
  std::vector<std::string> sites;   ///< expanded: "*" is those of sites::Site::is_in_star,
                                    ///< "accumulator" its three, "norm.*" what begins so; "error"
                                    ///< stays "error"; a rule with "norm" has none
  std::vector<Written> site_names;  ///< the sites that are written out, each by its own name
  std::vector<Written> layers;      ///< names, globs (fnmatch), types, "first", "last", or exact
                                    ///< names; empty: all
  std::uint64_t from_epoch = 0;     ///< active once this many epochs are done
  std::uint64_t from_step = 0;      ///< and this many steps
  std::optional<std::string> slot;  ///< site norm: only this internal, e.g. "inv_scale"
  Json body;  ///< "quantizer" (object, or null: none), "range", "rounding", "requantizer", "clamp",
              ///< "when", "pad", "dynamic", "accumulator" (object or null), "norm" (object)
  std::string where;  ///< "<file>: /rules/2"; "<file>: " or "RULE: " for a rule on its own
  Notes notes;
};

struct Optimizer {
  std::string type = "sgd";                                       ///< "sgd" or "adam"
  double learning_rate = 0.05, momentum = 0.9, weight_decay = 0;  ///< momentum: sgd
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;              ///< adam
  bool nesterov = false;
  bool resets = false;  ///< its arrays are 0 when the stage begins, each round of it
};
struct Schedule {
  std::string type = "constant";     ///< "constant", "step", "cosine"
  std::vector<std::int64_t> epochs;  ///< step: multiply by factor at each of these (of the stage)
  double factor = 0.1;               ///< step
  double final_rate = 0;             ///< cosine: rate at the end
  std::int64_t warmup_steps = 0;     ///< linear from 0
};
struct Stage;
/// A type of stage, as far as it matters before work starts. What a run does in it: the file of its
/// name in host/run/stages.
struct StageType {
  enum class Samples { kTraining, kTest };
  /// Their ranges and first values.
  enum class Activations { kLearns, kNeeds };
  const char* name;         ///< its key in "stages"
  bool trains;              ///< weights change; epochs and steps pass
  Samples samples;          ///< what "batches" are taken of
  Activations activations;  ///< in a stage that applies the rules
  /// Takes the keys that it alone has from the entry's body; null: it has none. `written` is the
  /// body before defaults, `where` its place.
  void (*read)(Json& body, const Json& written, const std::string& where, Stage& stage);

  [[nodiscard]] bool calibrates() const { return !trains && activations == Activations::kLearns; }
};
/// All types, in the order of pipeline.schema.json.
[[nodiscard]] const std::vector<StageType>& stage_types();

struct Stage {
  const StageType* type = nullptr;
  std::int64_t epochs = 1;
  Optimizer optimizer;
  Schedule schedule;
  std::string loss = "softmax_cross_entropy";  ///< a name of layers/common/losses.hpp
  bool apply_rules = true;                     ///< train, evaluate: false runs the network in float
  std::int64_t batches = 0;  ///< calibrate: number of training batches, default 8; evaluate: 0 all
  std::string where;
};
struct Procedure {
  std::string id;
  Json params;  ///< resolved
  std::string where;
};

struct Pipeline {
  std::filesystem::path file;
  std::string name;
  std::uint64_t seed = 1;
  data::Source source;
  data::Normalisation normalisation = data::Normalisation::kStandard;
  std::int64_t batch_size = 128;
  std::filesystem::path model_file;
  Json model;                          ///< text of the model file (or inline object)
  std::string model_where;             ///< its file, or "<file>: /model/inline"; for messages
  std::filesystem::path weights;       ///< "model": {"weights": "x.npz"}: start from these
  std::filesystem::path formats_file;  ///< "formats"; empty: none
  std::filesystem::path start_from;    ///< pipeline whose trained state this one starts from
  bool takes_state = true;             ///< false: of start_from the weights alone
  Json recipe;                         ///< {"plugin": ..., parameters}; null: none
  Json norm;                           ///< {"plugin": ..., parameters}, default batch_norm
  std::vector<Rule> rules;
  std::vector<Procedure> procedures;
  std::vector<Stage> stages;
  Json as_written;  ///< the whole file after --set
  Json as_used;     ///< the same with defaults, parameters by their present names
  Notes notes;      ///< those of the rules too
};

/// Reads, overrides ("/json/pointer=value", value is JSON or else a string), checks against
/// schemas/pipeline.schema.json and the registry's manifests. Paths are relative to the file.
/// InputError with file, pointer, value, what was expected, nearest valid name.
[[nodiscard]] Pipeline load(const std::filesystem::path& file,
                            const std::vector<std::string>& overrides,
                            const registry::Registry& registry);

/// The same of text that is read already, as if it stood in the file: "pipeline" of a
/// configuration().
[[nodiscard]] Pipeline read(const std::filesystem::path& file, Json written,
                            const registry::Registry& registry);

/// The files that a pipeline names, itself and its data too, with the places that name them; not
/// those of the pipeline that it starts from.
[[nodiscard]] std::vector<data::InputFile> files_of(const Pipeline& pipeline);

/// The pipeline with this seed.
[[nodiscard]] Pipeline with_seed(Pipeline pipeline, std::uint64_t seed);

/// Everything that decides a run's result but the data files: "pipeline" as used, "model" as its
/// file says, and "start_from", the same of the pipeline that this one starts from.
[[nodiscard]] Json configuration(const Pipeline& pipeline, const registry::Registry& registry);

/// configuration() as an earlier version wrote it, in today's words: parameters by their present
/// names, with the defaults that are new. What the registry's methods do not accept stays.
[[nodiscard]] Json current_configuration(Json configuration, const registry::Registry& registry);

/// The text of a pipeline's file with today's names; every other byte is as it was.
[[nodiscard]] std::string upgraded(const std::string& text, const Pipeline& pipeline);

/// A rule object on its own, as `qloom apply` takes it: file name or inline JSON. "site" is
/// optional here.
[[nodiscard]] Rule load_rule(const std::string& file_or_json, const registry::Registry& registry);

/// A rule of procedures: one that a pipeline could have, but for "from" and "norm", since it acts
/// at once. `name` stands for the file in messages.
[[nodiscard]] Rule added_rule(const Json& written, const std::string& name,
                              const registry::Registry& registry);

/// A layer as rules name it: its name, the name of its type, whether it is the first or the last
/// contraction.
struct NamedLayer {
  std::string name, type;
  bool is_first = false, is_last = false;
};
/// Does this entry of "layers" name the layer?
[[nodiscard]] bool matches_layer(const Written& entry, const NamedLayer& layer);
/// Does one of the rule's entries? A rule without any names every layer.
[[nodiscard]] bool matches_layer(const Rule& rule, const NamedLayer& layer);

}  // namespace qloom::pipeline
