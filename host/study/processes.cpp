// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/study/processes.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/arrays/array_file.hpp"
#include "host/results/warnings.hpp"
#include "host/run/stop.hpp"
#include "host/study/tee.hpp"
#include "host/tensor/error.hpp"

namespace qloom::study {
namespace {

constexpr const char* kThisProgram = "/proc/self/exe";  // also when its file is replaced meanwhile

struct Child {
  std::size_t index = 0;
  std::unique_ptr<Tee> tee;
};

/// Both outputs go to the log; standard error to `tee` instead when there is one.
pid_t start(const Job& job, const Tee* tee) {
  std::string name = "qloom";
  std::vector<char*> argv{name.data()};
  for (const auto& a : job.arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid(), child = fork();
  if (child < 0) {
    throw RunError(fmt::format("no process can be started: {}", std::strerror(errno)));
  }
  if (child == 0) {  // from here on only calls that are safe between fork and exec
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    const int log = open(job.log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    const int words = tee != nullptr ? tee->input() : log;
    if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(words, STDERR_FILENO) < 0) _exit(127);
    execv(kThisProgram, argv.data());
    _exit(127);
  }
  return child;
}

Child begin(const std::vector<Job>& jobs, std::size_t index, pid_t& id) {
  const Job& job = jobs[index];
  std::error_code ignored;                    // the log is opened next
  std::filesystem::remove(job.log, ignored);  // of an earlier batch
  Child child{index, job.is_shown ? std::make_unique<Tee>(job.log, job.hidden) : nullptr};
  id = start(job, child.tee.get());
  if (child.tee) child.tee->start();
  return child;
}

/// A line of a terminal without what moves its cursor.
std::string plain(const std::string& line) {
  constexpr std::string_view kErase = "\033[K";
  return line.starts_with(kErase) ? line.substr(kErase.size()) : line;
}

/// What the program said last under its own name, or the last line there is.
std::string last_words(const std::filesystem::path& log) {
  std::string text, said, last;
  try {
    text = data::read_text(log);
  } catch (const InputError&) {
    return "";
  }
  std::replace(text.begin(), text.end(), '\r', '\n');
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    line = plain(line);
    if (line.starts_with(results::kWarningMark)) continue;
    if (line.starts_with("qloom: ")) said = line.substr(7);
    if (!line.empty()) last = line;
  }
  return said.empty() ? last : said;
}

std::string error_of(int state, const std::filesystem::path& log) {
  if (WIFEXITED(state) && WEXITSTATUS(state) == 0) return "";
  const std::string words = last_words(log);
  if (WIFSIGNALED(state)) {
    return fmt::format("ended by signal {} ({}){}{}", WTERMSIG(state), strsignal(WTERMSIG(state)),
                       words.empty() ? "" : "; its last words: ", words);
  }
  return words.empty() ? fmt::format("exit status {}", WEXITSTATUS(state)) : words;
}

}  // namespace

void run_jobs(const std::vector<Job>& jobs, int at_once,
              const std::function<void(std::size_t, const std::string&)>& finished) {
  std::map<pid_t, Child> running;
  std::size_t next = 0;
  for (;;) {
    const bool may_start = next < jobs.size() && run::stop_signal() == 0;
    if (!may_start && running.empty()) break;
    if (may_start && running.size() < static_cast<std::size_t>(at_once)) {
      pid_t id = 0;
      Child child = begin(jobs, next, id);
      running.emplace(id, std::move(child));
      run::tell_child_of_stop(id);
      ++next;
      continue;
    }
    int state = 0;
    const pid_t ended = waitpid(-1, &state, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0) throw RunError(fmt::format("waiting for a run: {}", std::strerror(errno)));
    const auto found = running.find(ended);
    if (found == running.end()) continue;
    run::forget_child(ended);
    const std::size_t index = found->second.index;
    running.erase(found);  // its log is complete then
    finished(index, error_of(state, jobs[index].log));
  }
  for (; next < jobs.size(); ++next) finished(next, kNotBegun);
}

}  // namespace qloom::study
