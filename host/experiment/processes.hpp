// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// This program as child processes, several at once.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace qloom::experiment {

struct Job {
  std::vector<std::string> arguments;  ///< after the program's name
  std::filesystem::path log;           ///< both outputs go there
};

/// Runs all jobs, at most `at_once` at a time, in order of their start. `finished(i, error)` is
/// called as each ends; `error` is empty after exit status 0, else what the program said. Children
/// die with this process. RunError when no process can be started.
void run_jobs(const std::vector<Job>& jobs, int at_once,
              const std::function<void(std::size_t, const std::string&)>& finished);

}  // namespace qloom::experiment
