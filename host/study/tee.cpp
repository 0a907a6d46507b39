// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/study/tee.hpp"

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include "host/data/streams.hpp"
#include "host/tensor/error.hpp"

namespace qloom::study {
namespace {

void make_pipe(data::Descriptor& output, data::Descriptor& input) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw RunError(fmt::format("no pipe can be made: {}", std::generic_category().message(errno)));
  }
  output = data::Descriptor(ends[0]);
  input = data::Descriptor(ends[1]);
}

void append(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(file, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // a full disk costs the log, not the run
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

}  // namespace

Tee::Tee(const std::filesystem::path& log, std::string hidden)
    : hidden_(std::move(hidden)),
      log_(::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0644)) {
  if (!log_.is_open()) {
    throw RunError(fmt::format("{}: cannot be written: {}", log.string(),
                               std::generic_category().message(errno)));
  }
  make_pipe(output_, input_);
  make_pipe(stop_, stopped_);
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
}

Tee::~Tee() {
  stopped_ = data::Descriptor();
  if (thread_.joinable()) thread_.join();
}

void Tee::start() {
  input_ = data::Descriptor();
  thread_ = std::thread([this] { copy(); });
}

void Tee::show(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (fate_ == Fate::kShown) shown += c;
    if (fate_ == Fate::kOpen) {
      line_ += c;
      if (line_ == hidden_) fate_ = Fate::kHidden;
      if (!hidden_.starts_with(line_)) fate_ = Fate::kShown;
      if (fate_ == Fate::kShown) shown += line_;
    }
    if (c == '\n') {
      line_.clear();
      fate_ = Fate::kOpen;
    }
  }
  data::say_text(shown);
}

void Tee::copy() {
  std::array<char, 4096> part{};
  for (bool is_ending = false;;) {
    const ssize_t n = ::read(output_.get(), part.data(), part.size());
    if (n > 0) {
      const std::string_view text(part.data(), static_cast<std::size_t>(n));
      append(log_.get(), text);
      show(text);
      continue;
    }
    if (n == 0 || is_ending) return;
    std::array<pollfd, 2> ends = {{{output_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    ::poll(ends.data(), ends.size(), -1);
    is_ending = ends[1].revents != 0;
  }
}

}  // namespace qloom::study
