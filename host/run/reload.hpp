// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// New code for methods of a run under way, between two steps. It is on trial for one step: when it
// fails there, the run stands again where it stood before and goes on with the old code.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/layers/common/losses.hpp"
#include "host/registry/libraries/watcher.hpp"
#include "host/run/progress.hpp"
#include "host/run/state.hpp"

namespace qloom::run {

class Reloads {
 public:
  Reloads(const Setup& setup, RunState& state) : setup_(setup), state_(state) {}

  /// From now on a library that is written anew replaces its methods at the next step.
  void watch();
  /// A step of training with the newest code; once more with the old code when the new one fails in
  /// it.
  layers::Loss step(const std::function<layers::Loss()>& step, Progress& progress);

 private:
  /// New code that has not got through a step yet, and what stood before it.
  struct Trial {
    data::Arrays before;
    Json inputs;
    std::vector<std::unique_ptr<registry::Registry::Reload>> reloads;
    std::vector<std::pair<std::size_t, std::string>> events;  ///< in reloads, with the library
  };
  void load_changed(Progress& progress);
  void load(const std::filesystem::path& library);
  void keep_new_code();
  /// The run stands where it stood before the trial, with the old code.
  void go_back(const std::string& reason, Progress& progress);

  const Setup& setup_;
  RunState& state_;
  std::optional<registry::FileWatcher> watcher_;
  std::size_t watched_ = 0;  ///< methods whose libraries are watched
  std::optional<Trial> trial_;
};

}  // namespace qloom::run
