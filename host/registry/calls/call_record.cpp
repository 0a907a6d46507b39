// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/calls/call_record.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

std::atomic<std::uint64_t> present_step{kNoStep};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "a signal handler reads it");

/// The first change since the last look.
struct Note {
  std::mutex mutex;
  std::string text;
  std::atomic<bool> is_there{false};
};
Note& note() {
  static Note& one = *new Note;  // never destroyed: calls are made until the process ends
  return one;
}

/// Text in a buffer of the caller's, without the heap: for signal handlers.
class Line {
 public:
  Line(char* out, std::size_t size) : out_(out), size_(size) {}
  Line& operator<<(const char* text) {
    for (; text != nullptr && *text != '\0'; ++text) put(*text);
    return *this;
  }
  Line& operator<<(std::uint64_t number) {
    std::array<char, 20> digits{};
    std::size_t n = 0;
    do {
      digits[n++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    while (n > 0) put(digits[--n]);
    return *this;
  }
  [[nodiscard]] std::size_t end() {
    if (size_ > 0) out_[used_] = '\0';
    return used_;
  }

 private:
  void put(char c) {
    if (used_ + 1 >= size_ || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return;
    out_[used_++] = c;
  }
  char* out_;
  std::size_t size_, used_ = 0;
};

std::string text_of(const CallRecord& call) {
  const Method& m = *call.method();
  return fmt::format("{} \"{}\": {}{}{}", m.kind, m.id, call.what(),
                     *call.site() == '\0' ? "" : " ", call.site());
}

}  // namespace

namespace detail {
std::atomic<const CallRecord* const*> reporting_thread{nullptr};  // set by report_crashes()
}  // namespace detail

CallRecord::CallRecord(const CallRecord* caller) noexcept
    : method_(caller == nullptr ? nullptr : caller->method_),
      what_(caller == nullptr ? "" : caller->what_),
      site_(caller == nullptr ? "" : caller->site_),
      outer_(innermost_) {
  innermost_ = method_ == nullptr ? outer_ : this;
}

void CallRecord::note_change() const noexcept {
  try {
    const std::string change = restore_program_floating_point();
    Note& n = note();
    const std::lock_guard lock(n.mutex);
    if (n.is_there) return;
    n.text = fmt::format("{}: the call changed the floating-point state: {}",
                         method_ == nullptr ? "a parallel loop" : text_of(*this), change);
    n.is_there = true;
  } catch (const std::exception&) {  // out of memory: the state is back, which matters most
  }
}

void require_floating_point() {
  Note& n = note();
  if (!n.is_there.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(n.mutex);
  n.is_there = false;
  throw RunError(std::exchange(n.text, {}));
}

std::string restore_all_threads() {
  std::mutex mutex;
  std::string change;
#pragma omp parallel
  if (!has_program_floating_point()) {
    const std::string own = restore_program_floating_point();
    const std::lock_guard lock(mutex);
    change = own;
  }
  return change;
}

void set_present_step(std::uint64_t step) noexcept { present_step = step; }

std::size_t describe_call(char* out, std::size_t size) noexcept {
  Line line(out, size);
  const CallRecord* call = CallRecord::innermost();
  const CallRecord* const* elsewhere = detail::reporting_thread;
  const bool is_here = call != nullptr;
  if (!is_here && elsewhere != nullptr) call = *elsewhere;
  if (call == nullptr) return line.end();
  const Method& m = *call->method();
  line << m.kind.c_str() << " \"" << m.id.c_str() << "\": " << call->what();
  if (*call->site() != '\0') line << ", " << call->site();
  if (const std::uint64_t step = present_step; step != kNoStep) line << ", step " << step;
  line << ", library " << m.library_file.c_str();
  if (!is_here) line << ", on another thread";
  return line.end();
}

std::string call_in_progress() {
  std::array<char, 4096> text{};
  return {text.data(), describe_call(text.data(), text.size())};
}

}  // namespace qloom::registry
