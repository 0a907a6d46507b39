// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What an output folder holds of a run, and whether it can be used again.
#pragma once

#include <filesystem>
#include <string>

#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"

namespace qloom::results {

struct Standing {
  enum class State {
    kNothing,   ///< neither report nor checkpoint
    kStale,     ///< of another pipeline or seed, or made from what is no more: see `why`
    kBegun,     ///< a checkpoint to go on from
    kFinished,  ///< report and checkpoint of this very run
  };
  State state = State::kNothing;
  std::string why;  ///< of kStale, for people: "quantizer.lsq.so changed"
};

/// `pipeline` has the run's seed in it. No file in the folder is an error, however it looks.
[[nodiscard]] Standing standing_of(const std::filesystem::path& folder,
                                   const pipeline::Pipeline& pipeline,
                                   const registry::Registry& registry);

}  // namespace qloom::results
