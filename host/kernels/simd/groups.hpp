// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Tables with one entry per group, and the entries of the batches of a run.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/lanes.hpp"

namespace qloom::kernels::simd {

/// Where a batch stands among the groups of a run of layout L.
template <class Arch, std::uint32_t L>
class Place {
 public:
  /// The batch that begins with element 0.
  explicit Place(const GroupRun& run) noexcept : run_(run) {
    if constexpr (L == kGroups) {
      rest_ = run.offset;
      entries_on_ = kWidth<Arch> / run.inner;
      rest_on_ = kWidth<Arch> % run.inner;
    }
  }
  /// The batch that begins with element i.
  Place(const GroupRun& run, std::uint64_t i) noexcept : Place(run) {
    if constexpr (L == kColumns) {
      entry_ = i % run.count;
    } else if constexpr (L == kGroups) {
      entry_ = (run.offset + i) / run.inner % run.count;
      rest_ = (run.offset + i) % run.inner;
    }
  }
  /// One whole batch on.
  void next() noexcept {
    if constexpr (L == kColumns) {
      entry_ += kWidth<Arch>;
    } else if constexpr (L == kGroups) {
      entry_ += entries_on_;
      rest_ += rest_on_;
      const bool over = rest_ >= run_.inner;
      rest_ -= over ? run_.inner : 0;
      entry_ += over ? 1 : 0;
    }
    if constexpr (L != kOneGroup) entry_ -= entry_ >= run_.count ? run_.count : 0;
  }
  /// The batch's entries of a table.
  template <class Io>
  Floats<Arch> entries(const Io& io, const float* table) const noexcept {
    if constexpr (L == kColumns) {
      return io.load(table + entry_);
    } else {
      const float* const from = table + entry_;
      const std::int32_t* const lane = run_.step + (rest_ > run_.low ? rest_ - run_.low : 0);
      // 16 lanes lie in at most 8 groups of two, which begin with a batch, or of more
      return look_up<Arch>(from, lane);
    }
  }

 private:
  GroupRun run_;
  std::uint64_t entry_ = 0, rest_ = 0, entries_on_ = 0, rest_on_ = 0;
};

/// A table of layout L; null stands for zeros.
template <class Arch, std::uint32_t L>
class Table {
 public:
  explicit Table(const float* p) noexcept : p_(p), value_(p != nullptr ? *p : 0.0F) {}
  template <class Io>
  Floats<Arch> at(const Io& io, const Place<Arch, L>& place) const noexcept {
    if constexpr (L == kOneGroup)
      return value_;
    else
      return place.entries(io, p_);
  }
  /// The same, of a table that may be null.
  template <class Io>
  Floats<Arch> at_if_any(const Io& io, const Place<Arch, L>& place) const noexcept {
    return L != kOneGroup && p_ != nullptr ? place.entries(io, p_) : value_;
  }
  [[nodiscard]] bool is_any() const noexcept { return p_ != nullptr; }

 private:
  const float* p_;
  Floats<Arch> value_;
};

/// body(io, i, place) for batches that cover 0 .. n - 1; io is Whole, at the end perhaps Part.
/// kIsShort: a loop of a few instructions.
template <class Arch, std::uint32_t L, bool kIsShort = false, class Body>
[[gnu::always_inline]] inline void each_in_groups(const GroupRun& run, std::uint64_t n,
                                                  const Body& body) noexcept {
  Place<Arch, L> place(run);
  const auto one_batch = [&](const auto& io, std::uint64_t i) __attribute__((always_inline)) {
    body(io, i, place);
    place.next();
  };
  if constexpr (kIsShort && L == kOneGroup) {
    each_batch_of_four<Arch>(n, one_batch);
  } else {
    each_batch<Arch>(n, one_batch);
  }
}

}  // namespace qloom::kernels::simd
