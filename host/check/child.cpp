// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/child.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
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

namespace qloom::check {
namespace {

constexpr char kEndMark = '\x04';  // closes a complete text

void write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::write(file, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += static_cast<std::size_t>(n);
  }
}

[[noreturn]] void live(const std::function<std::string()>& function, int out, int words) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // ends with the process that started it
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::dup2(words, STDERR_FILENO);
  ::dup2(words, STDOUT_FILENO);
  int status = 0;
  try {
    write_all(out, function() + kEndMark);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    status = 1;
  }
  std::fflush(nullptr);
  ::_exit(status);
}

/// The line that tells most: a sanitizer's headline, otherwise the last one.
std::string telling_line(int file) {
  std::string text(static_cast<std::size_t>(std::max<off_t>(0, ::lseek(file, 0, SEEK_END))), '\0');
  const ssize_t n = ::pread(file, text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, n)));
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("ERROR: AddressSanitizer") != line.npos ||
        line.find("runtime error:") != line.npos) {
      return line;
    }
    if (!line.empty()) last = line;
  }
  return last;
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
    : deadline_(now() + seconds) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe");
  }
  words_ = ::memfd_create("words", MFD_CLOEXEC);
  std::fflush(nullptr);
  process_ = ::fork();
  if (process_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (process_ == 0) {
    ::close(ends[0]);
    live(function, ends[1], words_);
  }
  ::close(ends[1]);
  pipe_ = ends[0];
  ::fcntl(pipe_, F_SETFL, O_NONBLOCK);
}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, -1)),
      pipe_(std::exchange(other.pipe_, -1)),
      words_(std::exchange(other.words_, -1)),
      deadline_(other.deadline_),
      text_(std::move(other.text_)),
      ended_(std::move(other.ended_)) {}

Child::~Child() {
  if (process_ > 0) finish(true);
  if (pipe_ >= 0) ::close(pipe_);
  if (words_ >= 0) ::close(words_);
}

double Child::seconds_left() const { return std::max(0.0, deadline_ - now()); }

void Child::finish(bool is_late) {
  if (is_late) ::kill(process_, SIGKILL);
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  ended_.words = telling_line(words_);
  if (!text_.empty() && text_.back() == kEndMark) {
    ended_.text = text_.substr(0, text_.size() - 1);
  } else {
    ended_.fault = is_late ? "its time limit" : fault_of(status);
  }
}

/// Its pipe is closed: it is about to end, unless it closed the pipe to live on.
bool Child::ends_in_time() const {
  for (;;) {
    siginfo_t info{};
    const int status =
        ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOWAIT | WNOHANG);
    if (status == 0 && info.si_pid == process_) return true;
    if (seconds_left() == 0) return false;
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
    if (n < 0 && errno == EAGAIN && seconds_left() > 0) return false;
    finish(n < 0 || !ends_in_time());
    return true;
  }
}

void Child::wait() {
  while (!advance()) wait_for_any({this});
}

void wait_for_any(const std::vector<Child*>& children) {
  std::vector<pollfd> files;
  double least = 1e6;
  for (const Child* child : children) {
    files.push_back({child->descriptor(), POLLIN, 0});
    least = std::min(least, child->seconds_left());
  }
  ::poll(files.data(), files.size(), static_cast<int>(least * 1000) + 1);
}

}  // namespace qloom::check
