// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/experiment/processes.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/array_file.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {
namespace {

pid_t start(const Job& job) {
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& a : job.arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = getpid(), child = fork();
  if (child < 0) {
    throw RunError(fmt::format("no process can be started: {}", std::strerror(errno)));
  }
  if (child == 0) {  // from here on only calls that are safe between fork and exec
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    const int log = open(job.log.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) _exit(127);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  return child;
}

/// What the program said last under its own name, or the last line there is.
std::string last_words(const std::filesystem::path& log) {
  std::string text, said, last;
  try {
    text = data::read_text(log);
  } catch (const InputError&) {
    return "";
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
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
  std::map<pid_t, std::size_t> running;
  for (std::size_t next = 0; next < jobs.size() || !running.empty();) {
    if (next < jobs.size() && running.size() < static_cast<std::size_t>(at_once)) {
      running[start(jobs[next])] = next;
      ++next;
      continue;
    }
    int state = 0;
    const pid_t child = waitpid(-1, &state, 0);
    if (child < 0 && errno == EINTR) continue;
    if (child < 0) throw RunError(fmt::format("waiting for a run: {}", std::strerror(errno)));
    const auto found = running.find(child);
    if (found == running.end()) continue;
    const std::size_t index = found->second;
    running.erase(found);
    finished(index, error_of(state, jobs[index].log));
  }
}

}  // namespace qloom::experiment
