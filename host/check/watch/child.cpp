// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/watch/child.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/data/streams.hpp"
#include "host/json/printable.hpp"

namespace qloom::check {
namespace {

constexpr char kEndMark = '\x04';  // closes a complete text
constexpr double kLook = 0.1;      // seconds between two looks at the limits
constexpr double kMostTimes = 30;  // wall time at most, in time limits

void write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(file, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void live(const std::function<std::string()>& function, int out, int output,
                       int errors) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // ends with the process that started it
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(errors, STDERR_FILENO);
  ::dup2(output, STDOUT_FILENO);
  int status = 0;
  try {
    write_all(out, function() + kEndMark);
  } catch (const std::exception& e) {
    data::say("{}\n", e.what());
    status = 1;
  }
  std::fflush(nullptr);
  ::_exit(status);
}

std::string text_of(int file) {
  std::string text(static_cast<std::size_t>(std::max<off_t>(0, ::lseek(file, 0, SEEK_END))), '\0');
  const ssize_t n = ::pread(file, text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, n)));
  return text;
}

/// The line that tells most: a sanitizer's headline, otherwise the last one.
std::string telling_line(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    for (const char* headline : {"ERROR: AddressSanitizer", "runtime error:",
                                 "WARNING: ThreadSanitizer", "ERROR: LeakSanitizer"}) {
      if (line.find(headline) != line.npos) return line;
    }
    if (!line.empty()) last = line;
  }
  return last;
}

/// "standard output: its first line"; empty for no text.
std::string printed_on(const char* stream, const std::string& text) {
  constexpr std::size_t kMost = 120;
  if (text.empty()) return {};
  return fmt::format("{}: {}", stream,
                     json::printable(text.substr(0, std::min(text.find('\n'), kMost))));
}

/// Processor time of all threads of a process; negative when it has ended. Unit: seconds.
double processor_seconds(pid_t process) {
  clockid_t clock{};
  timespec t{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &t) != 0) return -1;
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

std::string fault_of(int status) {
  if (WIFSIGNALED(status)) {
    return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  }
  return fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Child::Child(const std::function<std::string()>& function, double seconds)
    : seconds_(seconds), begin_(now()), used_at_(begin_) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  output_ = ::memfd_create("output", MFD_CLOEXEC);
  errors_ = ::memfd_create("errors", MFD_CLOEXEC);
  std::fflush(nullptr);
  process_ = ::fork();
  if (process_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (process_ == 0) {
    ::close(ends[0]);
    live(function, ends[1], output_, errors_);
  }
  ::close(ends[1]);
  pipe_ = ends[0];
  ::fcntl(pipe_, F_SETFL, O_NONBLOCK);
}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      pipe_(std::exchange(other.pipe_, -1)),
      output_(std::exchange(other.output_, -1)),
      errors_(std::exchange(other.errors_, -1)),
      seconds_(other.seconds_),
      begin_(other.begin_),
      used_(other.used_),
      used_at_(other.used_at_),
      text_(std::move(other.text_)),
      ended_(std::move(other.ended_)) {}

Child::~Child() {
  if (process_ > 0) finish("its end");
  for (const int file : {pipe_, output_, errors_}) {
    if (file >= 0) ::close(file);
  }
}

std::string Child::reached_limit() {
  const double used = processor_seconds(process_), time = now();
  if (used > used_) {
    used_ = used;
    used_at_ = time;
  }
  if (used_ >= seconds_) {
    return fmt::format("its time limit: {} s of processor time", seconds_);
  }
  if (time - used_at_ >= seconds_) {
    return fmt::format("its time limit: it slept for {} s", seconds_);
  }
  if (time - begin_ >= kMostTimes * seconds_) {
    return fmt::format("its time limit: {} s, of which it used the processor for {:.1f} s",
                       kMostTimes * seconds_, used_);
  }
  return {};
}

void Child::finish(const std::string& late) {
  if (!late.empty()) ::kill(process_, SIGKILL);
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  const std::string output = text_of(output_), errors = text_of(errors_);
  ended_.words = telling_line(errors.empty() ? output : errors);
  ended_.printed =
      output.empty() ? printed_on("standard error", errors) : printed_on("standard output", output);
  if (!text_.empty() && text_.back() == kEndMark) {
    ended_.text = text_.substr(0, text_.size() - 1);
  } else {
    ended_.fault = late.empty() ? fault_of(status) : late;
  }
}

/// Its pipe is closed: it is about to end, unless it closed the pipe to live on.
std::string Child::wait_for_its_end() {
  for (;;) {
    siginfo_t info{};
    const int status =
        ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOWAIT | WNOHANG);
    if (status == 0 && info.si_pid == process_) return {};
    std::string limit = reached_limit();
    if (!limit.empty()) return limit;
    ::usleep(500);
  }
}

bool Child::advance() {
  if (process_ < 0) return true;
  char part[4096];
  for (;;) {
    const ssize_t n = ::read(pipe_, part, sizeof part);
    if (n > 0) {
      text_.append(part, static_cast<std::size_t>(n));
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      const std::string limit = reached_limit();
      if (limit.empty()) return false;
      finish(limit);
    } else {
      finish(wait_for_its_end());
    }
    return true;
  }
}

void Child::wait() {
  while (!advance()) wait_for_any({this});
}

void wait_for_any(const std::vector<Child*>& children) {
  std::vector<pollfd> files;
  for (const Child* child : children) files.push_back({child->descriptor(), POLLIN, 0});
  ::poll(files.data(), files.size(), static_cast<int>(kLook * 1000));
}

}  // namespace qloom::check
