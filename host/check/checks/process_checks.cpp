// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What belongs to the whole process and stays as it is: open files, threads, signals, folder,
// locale, environment.
#include <algorithm>
#include <clocale>
#include <csignal>
#include <filesystem>
#include <map>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/record.hpp"
#include "host/check/watch/threads_made.hpp"

namespace qloom::check {
namespace {

namespace fs = std::filesystem;

/// Which file is open under each number.
std::map<int, std::pair<dev_t, ino_t>> open_files() {
  std::vector<int> numbers;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) {
    numbers.push_back(std::stoi(entry.path().filename().string()));
  }
  std::map<int, std::pair<dev_t, ino_t>> files;  // the one that listed the folder is closed by now
  for (const int number : numbers) {
    struct stat is {};
    if (::fstat(number, &is) == 0) files[number] = {is.st_dev, is.st_ino};
  }
  return files;
}

std::vector<const void*> signal_handlers() {
  std::vector<const void*> handlers;
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    const bool is_known = ::sigaction(signal, nullptr, &now) == 0;
    handlers.push_back(is_known ? reinterpret_cast<const void*>(now.sa_handler) : nullptr);
  }
  return handlers;
}

std::string blocked_signals() {
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  std::string text;
  for (int signal = 1; signal < NSIG; ++signal) {
    if (::sigismember(&blocked, signal) == 1) text += fmt::format(" {}", signal);
  }
  return text;
}

std::string environment() {
  std::string all;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    all += std::string(*entry) + "\n";
  }
  return all;
}

mode_t file_mode_mask() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return mask;
}

class Process {
 public:
  void expect_unchanged(Context& context) const {
    for (const auto& [number, file] : files_) {
      const auto now = open_files();
      const auto found = now.find(number);
      if (found == now.end()) {
        context.find(fmt::format("closed file {}{}", number, name_of(number)));
      } else if (found->second != file) {
        context.find(fmt::format("put another file in place of {}{}", number, name_of(number)));
      }
    }
    for (const auto& [number, file] : open_files()) {
      if (!files_.contains(number)) context.find(fmt::format("left file {} open", number));
    }
    const auto handlers = signal_handlers();
    for (std::size_t i = 0; i < handlers.size(); ++i) {
      if (handlers[i] == handlers_[i]) continue;
      context.find(fmt::format("changed what happens at signal {}", i + 1));
    }
    expect_same(context, "the blocked signals", blocked_signals(), blocked_);
    expect_same(context, "the working folder", fs::current_path().string(), folder_);
    expect_same(context, "the locale", std::setlocale(LC_ALL, nullptr), locale_);
    if (environment() != environment_) context.find("changed the environment");
    if (file_mode_mask() != mask_) context.find("changed the file mode mask");
  }

 private:
  static const char* name_of(int number) {
    return number == STDIN_FILENO    ? " (standard input)"
           : number == STDOUT_FILENO ? " (standard output)"
           : number == STDERR_FILENO ? " (standard error)"
                                     : "";
  }
  static void expect_same(Context& context, const char* what, const std::string& found,
                          const std::string& expected) {
    if (found == expected) return;
    context.find(fmt::format("changed {} from \"{}\" to \"{}\"", what, expected, found));
  }
  std::map<int, std::pair<dev_t, ino_t>> files_ = open_files();
  std::vector<const void*> handlers_ = signal_handlers();
  std::string blocked_ = blocked_signals(), folder_ = fs::current_path().string();
  std::string locale_ = std::setlocale(LC_ALL, nullptr), environment_ = environment();
  mode_t mask_ = file_mode_mask();
};

}  // namespace

void check_process(Context& context) {
  const Process before;  // of the library's loading too
  const std::uint64_t made = threads_made();
  const std::vector<Input> inputs = inputs_of(context.method().kind, context.seed());
  for (const Case& c : context.accepted()) {
    for (const Input& input : inputs) {
      context.at("{}, {}", c.text(), input.name);
      registry::Instance instance = context.create(c);
      const bool is_first = &input == &inputs.front();
      for (std::uint64_t round = 0; round <= (is_first ? kLastRound : 0); ++round) {
        static_cast<void>(exercise(context, c, instance, input, round));
      }
      instance.load(instance.save(), instance.state_version());
      if (threads_made() != made) return context.find("started a thread of its own");
    }
  }
  context.at("after all calls");
  before.expect_unchanged(context);
  siginfo_t child{};
  if (::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0) {
    context.find("started a process of its own");
  }
}

}  // namespace qloom::check
