// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A sweep file as a list of runs. Nothing is executed here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"

namespace qloom::study {

/// One combination of values.
struct Variant {
  json::Json settings;                 ///< value by JSON pointer
  std::string label;                   ///< "bits=4, rounding=stochastic"
  std::vector<std::string> overrides;  ///< of settings, as --set takes them
  pipeline::Pipeline pipeline;         ///< empty for a refused variant
  std::string refusal;                 ///< why it is no valid pipeline; empty: it is one
};

/// One combination with one seed.
struct SweepRun {
  std::size_t variant = 0;
  std::uint64_t seed = 0;
  std::string hash;                  ///< of configuration and seed; its folder's name
  json::Json configuration;          ///< null for a refused variant
  std::filesystem::path start_from;  ///< pipeline that it starts from, or empty
};

struct SweepPlan {
  std::string name;
  std::filesystem::path base;
  std::vector<std::string> pointers, columns;  ///< what varies, and a short name for each
  std::vector<Variant> variants;
  std::vector<SweepRun> runs;  ///< variant by variant
};

/// Reads the file and loads every variant. A variant that is no valid pipeline is kept with the
/// reason. InputError when the file is wrong: not by its schema, values that stand twice, a pointer
/// into the pipeline that no variant with it can use, not one valid variant.
[[nodiscard]] SweepPlan plan_sweep(const std::filesystem::path& file,
                                   const registry::Registry& registry);

}  // namespace qloom::study
