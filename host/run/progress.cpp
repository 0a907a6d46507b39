// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/progress.hpp"

#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "host/data/streams.hpp"

namespace qloom::run {
namespace {
using Clock = std::chrono::steady_clock;
double seconds_from(Clock::time_point t) {
  return std::chrono::duration<double>(Clock::now() - t).count();
}
}  // namespace

Progress::Progress(std::string title, ProgressStyle style)
    : title_(std::move(title)),
      is_live_(style == ProgressStyle::kLive ||
               (style == ProgressStyle::kAuto && isatty(fileno(stderr)) != 0)),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (line_ == Line::kOpen) data::say("\n");
}

void Progress::begin(const std::string& what, std::uint64_t total) {
  what_ = what;
  total_ = total;
  start_ = last_ = Clock::now();
}

void Progress::step(std::uint64_t done, const std::string& figures) {
  if (!is_live_ || (done < total_ && seconds_from(last_) < 0.2)) return;
  last_ = Clock::now();
  draw(done, figures, false);
}

void Progress::note(const std::string& text) {
  data::say("{}{}: {}\n", is_live_ ? "\r\033[K" : "", title_, text);
}

void Progress::end(const std::string& figures) { draw(total_, figures, true); }

void Progress::draw(std::uint64_t done, const std::string& figures, bool is_final) {
  const double seconds = seconds_from(start_);
  if (!is_live_) {
    data::say("{}: {}, {}, {:.1f} s\n", title_, what_, figures, seconds);
    return;
  }
  constexpr std::uint64_t kWidth = 24;
  const std::uint64_t filled = total_ == 0 ? kWidth : done * kWidth / total_;
  std::string left;
  if (!is_final && done > 0) {
    left = fmt::format(", {:.0f} s left", seconds / double(done) * double(total_ - done));
  }
  data::say("\r\033[K{}: {} [{}{}] {}/{}  {}, {:.1f} s{}{}", title_, what_,
            std::string(filled, '#'), std::string(kWidth - filled, '.'), done, total_, figures,
            seconds, left, is_final ? "\n" : "");
  line_ = is_final ? Line::kDone : Line::kOpen;
}

}  // namespace qloom::run
