// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// This program as child processes, several at once.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace qloom::study {

struct Job {
  std::vector<std::string> arguments;  ///< after the program's name
  std::filesystem::path log;           ///< both outputs go there
  bool is_shown = false;               ///< standard error goes to this process's one too
  std::string hidden;                  ///< but for lines that begin so; empty: none
};

/// The error of a job that was not started, because the batch was stopped.
inline constexpr const char* kNotBegun = "not begun: the batch was stopped before";

/// Runs all jobs, at most `at_once` at a time, in order of their start. `finished(i, error)` is
/// called as each ends; `error` is empty after exit status 0, else what the program said. Children
/// die with this process and are the same program, also when its file was replaced. After a stop
/// signal (stop.hpp) the children are told, none is started any more, and those that were not are
/// finished with kNotBegun. RunError when no process can be started.
void run_jobs(const std::vector<Job>& jobs, int at_once,
              const std::function<void(std::size_t, const std::string&)>& finished);

}  // namespace qloom::study
