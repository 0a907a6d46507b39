// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Cuts a block into runs that the inner loops take, each with tables of one of the layouts.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include <qloom/abi.h>

#include "host/kernels/core.hpp"

namespace qloom::kernels {

/// A per-group table of a caller, of real numbers or of codes; null stands for zeros.
struct Source {
  Source(const float* p) noexcept : real(p) {}
  Source(const std::int32_t* p) noexcept : code(p) {}
  [[nodiscard]] bool is_any() const noexcept { return real != nullptr || code != nullptr; }
  [[nodiscard]] float at(std::uint64_t group) const noexcept {
    return real != nullptr ? real[group] : static_cast<float>(code[group]);
  }
  const float* real = nullptr;
  const std::int32_t* code = nullptr;
};
template <std::size_t Count>
using Sources = std::array<Source, Count>;

/// The same as the inner loops take them.
template <std::size_t Count>
using Tables = std::array<const float*, Count>;

inline std::uint64_t smaller(std::uint64_t a, std::uint64_t b) noexcept { return a < b ? a : b; }

/// How a block is cut.
struct Cut {
  std::uint64_t most = UINT64_MAX;  // longest run
  std::uint64_t long_group = 32;    // groups of at least so many elements are runs of their own
};

/// The tables of at most so many groups are copied, those of more are read as they are unless they
/// hold codes.
inline constexpr std::uint64_t kWindowEntries = 512;

/// GroupRun::step and low. Where groups have at least kWidest elements, a batch is in one group or
/// at the border of two, and only its distance from the border matters.
class Steps {
 public:
  explicit Steps(std::uint64_t inner) noexcept : low_(inner > kWidest ? inner - kWidest : 0) {
    std::int32_t step = 0;
    std::uint64_t left = inner - low_;
    for (std::int32_t& s : steps_) {
      s = step;
      if (--left == 0) {
        left = inner;
        ++step;
      }
    }
  }
  [[nodiscard]] const std::int32_t* data() const noexcept { return steps_.data(); }
  [[nodiscard]] std::uint64_t low() const noexcept { return low_; }

 private:
  std::array<std::int32_t, 2 * kWidest> steps_;
  std::uint64_t low_;
};

/// Entries of successive groups, kWidest more than a run needs.
template <std::size_t Count>
class Window {
 public:
  /// n entries from group on; after the last of `groups` comes the first.
  Tables<Count> fill(const Sources<Count>& sources, std::uint64_t groups, std::uint64_t group,
                     std::uint64_t n) noexcept {
    Tables<Count> out;
    for (std::size_t t = 0; t < Count; ++t) {
      if (sources[t].is_any()) fill(entries_[t].data(), sources[t], groups, group, n);
      out[t] = sources[t].is_any() ? entries_[t].data() : nullptr;
    }
    return out;
  }

 private:
  static void copy(float* to, const Source& from, std::uint64_t group, std::uint64_t n) noexcept {
    if (from.real != nullptr) {
      std::memcpy(to, from.real + group, n * sizeof(float));
    } else {
      for (std::uint64_t i = 0; i < n; ++i) to[i] = static_cast<float>(from.code[group + i]);
    }
  }
  static void fill(float* to, const Source& from, std::uint64_t groups, std::uint64_t group,
                   std::uint64_t n) noexcept {
    std::uint64_t done = n < groups - group ? n : groups - group;
    copy(to, from, group, done);
    const std::uint64_t rest = n - done < group ? n - done : group;
    copy(to + done, from, 0, rest);
    for (done += rest; done < n;) {  // a multiple of `groups`: repeat all of it
      const std::uint64_t more = n - done < done ? n - done : done;
      std::memcpy(to + done, to, more * sizeof(float));
      done += more;
    }
  }

  alignas(64) std::array<std::array<float, kWindowEntries + kWidest>, Count> entries_;
};

/// The numbers of one group, as tables.
template <std::size_t Count>
class OneGroup {
 public:
  const Tables<Count>& of(const Sources<Count>& sources, std::uint64_t group) noexcept {
    for (std::size_t t = 0; t < Count; ++t) {
      values_[t] = sources[t].is_any() ? sources[t].at(group) : 0.0F;
      tables_[t] = sources[t].is_any() ? &values_[t] : nullptr;
    }
    return tables_;
  }

 private:
  std::array<float, Count> values_;
  Tables<Count> tables_;
};

/// Tables of real numbers from group g on.
template <std::size_t Count>
Tables<Count> tables_from(const Sources<Count>& sources, std::uint64_t g) noexcept {
  Tables<Count> out;
  for (std::size_t t = 0; t < Count; ++t) {
    out[t] = sources[t].real != nullptr ? sources[t].real + g : nullptr;
  }
  return out;
}

/// Groups long enough to be runs of their own, or only one.
template <std::size_t Count, class Body>
qloom_status long_groups(const Sources<Count>& sources, const qloom_block& block, const Cut& cut,
                         const Body& body) noexcept {
  OneGroup<Count> one;
  for (std::uint64_t i = 0; i < block.n;) {
    const std::uint64_t position = block.first + i;
    const std::uint64_t group = block.groups == 1 ? 0 : position / block.inner % block.groups;
    std::uint64_t n = smaller(block.n - i, cut.most);
    if (block.groups > 1) n = smaller(n, block.inner - position % block.inner);
    const qloom_status status = body(one.of(sources, group), kOneGroup, GroupRun{}, i, n);
    if (status != QLOOM_OK) return status;
    i += n;
  }
  return QLOOM_OK;
}

/// Tables for the layouts of several groups in a run.
template <std::size_t Count>
class GroupTables {
 public:
  GroupTables(const Sources<Count>& sources, const qloom_block& block) noexcept
      : sources_(sources), groups_(block.groups), inner_(block.inner), steps_(block.inner) {
    for (const Source& source : sources_) has_codes_ = has_codes_ || source.code != nullptr;
  }

  /// Readies tables() and run() for at most n elements from `position` of the tensor on; returns
  /// how many they are for.
  std::uint64_t ready(std::uint64_t position, std::uint64_t n) noexcept {
    const std::uint64_t offset = inner_ == 1 ? 0 : position % inner_;
    const std::uint64_t group = (inner_ == 1 ? position : position / inner_) % groups_;
    // read as they are, the tables must hold kWidest entries more than a run of kGroups needs
    const std::uint64_t more = inner_ == 1 ? 0 : std::uint64_t{kWidest};
    const bool inside = !has_codes_ && groups_ > kWindowEntries && groups_ - group > more;
    if (groups_ > kWindowEntries) {
      constexpr std::uint64_t kAcrossTheEnd = 4 * kWidest;
      const std::uint64_t copied = has_codes_ ? kWindowEntries - kWidest : kAcrossTheEnd;
      const std::uint64_t entries = inside ? groups_ - group - more : copied;
      n = smaller(n, entries * inner_ - offset);
    }
    if (inner_ == 2 && offset != 0) n = 1;
    const std::uint64_t needed = inner_ == 1 ? n : (offset + n - 1) / inner_ + 1;
    // all groups, several times if they are fewer than the lanes of a batch, or those needed
    const std::uint64_t count =
        needed < groups_ ? needed + kWidest : (kWidest + groups_ - 1) / groups_ * groups_;
    run_ = {count, inner_, offset, steps_.data(), steps_.low()};
    if (inside)
      now_ = tables_from(sources_, group);
    else
      now_ = window_.fill(sources_, groups_, group, smaller(count, needed) + kWidest);
    return n;
  }
  [[nodiscard]] const Tables<Count>& tables() const noexcept { return now_; }
  [[nodiscard]] const GroupRun& run() const noexcept { return run_; }

 private:
  Sources<Count> sources_;
  Tables<Count> now_{};
  bool has_codes_ = false;
  std::uint64_t groups_, inner_;
  Steps steps_;
  GroupRun run_{};
  Window<Count> window_;
};

template <std::size_t Count, class Body>
qloom_status short_groups(const Sources<Count>& sources, const qloom_block& block, const Cut& cut,
                          const Body& body) noexcept {
  GroupTables<Count> ready(sources, block);
  const Layout layout = block.inner == 1 ? kColumns : kGroups;
  for (std::uint64_t i = 0; i < block.n;) {
    const std::uint64_t n = ready.ready(block.first + i, smaller(block.n - i, cut.most));
    const qloom_status status = body(ready.tables(), layout, ready.run(), i, n);
    if (status != QLOOM_OK) return status;
    i += n;
  }
  return QLOOM_OK;
}

/// body(tables, layout, group run, i, n) for runs that cover elements 0 .. block.n - 1, ascending,
/// each of at most cut.most; stops at the first status that is not QLOOM_OK.
template <std::size_t Count, class Body>
qloom_status for_each_run(const Sources<Count>& sources, const qloom_block& block, const Cut& cut,
                          const Body& body) noexcept {
  if (block.groups == 1 || block.inner >= cut.long_group) {
    return long_groups(sources, block, cut, body);
  }
  return short_groups(sources, block, cut, body);
}

}  // namespace qloom::kernels
