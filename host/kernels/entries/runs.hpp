// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Cuts a block into runs that the inner loops take: one group for the whole run, or per-group
// tables expanded to one entry per element.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include <qloom/abi.h>

#include "host/kernels/core.hpp"

namespace qloom::kernels {

/// Per-group tables; a null table stands for zeros.
template <std::size_t Count>
using Tables = std::array<const float*, Count>;

/// Entries of the longest expanded table. Unit: elements.
inline constexpr std::uint64_t kExpandedElements = 512;
inline constexpr std::array<float, kExpandedElements> kZeros{};

/// Tables with one entry per element, for kExpandedElements elements.
template <std::size_t Count>
class Expanded {
 public:
  /// Entries of elements position .. position + n - 1 of the tensor.
  void fill(const Tables<Count>& tables, const qloom_block& block, std::uint64_t position,
            std::uint64_t n) noexcept {
    std::uint64_t group = position / block.inner % block.groups;
    std::uint64_t left = block.inner - position % block.inner;
    for (std::uint64_t i = 0; i < n;) {
      const std::uint64_t end = n - i < left ? n : i + left;
      for (std::size_t t = 0; t < Count; ++t) {
        const float value = tables[t] != nullptr ? tables[t][group] : 0.0F;
        for (std::uint64_t e = i; e < end; ++e) entries_[t][e] = value;
      }
      i = end;
      left = block.inner;
      group = group + 1 == block.groups ? 0 : group + 1;
    }
  }
  /// The first `period` entries again and again, up to `length`.
  void repeat(std::uint64_t period, std::uint64_t length) noexcept {
    for (auto& entries : entries_) {
      for (std::uint64_t done = period; done < length; done *= 2) {
        const std::uint64_t n = length - done < done ? length - done : done;
        std::memcpy(entries.data() + done, entries.data(), n * sizeof(float));
      }
    }
  }
  [[nodiscard]] Tables<Count> from(std::uint64_t i) const noexcept {
    Tables<Count> out;
    for (std::size_t t = 0; t < Count; ++t) out[t] = entries_[t].data() + i;
    return out;
  }

 private:
  std::array<std::array<float, kExpandedElements>, Count> entries_;
};

/// The tables from group g on; zeros where there is none.
template <std::size_t Count>
Tables<Count> tables_from(const Tables<Count>& tables, std::uint64_t g) noexcept {
  Tables<Count> out;
  for (std::size_t t = 0; t < Count; ++t) {
    out[t] = tables[t] != nullptr ? tables[t] + g : kZeros.data();
  }
  return out;
}

/// Several short groups: expanded tables, once for all when a period of them fits.
template <std::size_t Count, class Body>
qloom_status expanded_runs(const Tables<Count>& tables, const qloom_block& block,
                           const Body& body) noexcept {
  Expanded<Count> expanded;
  const std::uint64_t period = block.groups * block.inner;
  const bool repeats = period <= kExpandedElements;
  const std::uint64_t length = repeats ? kExpandedElements / period * period : kExpandedElements;
  if (repeats) {
    expanded.fill(tables, block, 0, period);
    expanded.repeat(period, length);
  }
  for (std::uint64_t i = 0; i < block.n;) {
    const std::uint64_t phase = repeats ? (block.first + i) % period : 0;
    const std::uint64_t room = length - phase;
    const std::uint64_t n = block.n - i < room ? block.n - i : room;
    if (!repeats) expanded.fill(tables, block, block.first + i, n);
    const qloom_status status = body(expanded.from(phase), true, i, n);
    if (status != QLOOM_OK) return status;
    i += n;
  }
  return QLOOM_OK;
}

/// body(tables, per_element, i, n) for runs that cover elements 0 .. block.n - 1, ascending, each
/// of at most kRunElements; stops at the first status that is not QLOOM_OK.
template <std::size_t Count, class Body>
qloom_status for_each_run(const Tables<Count>& tables, const qloom_block& block,
                          const Body& body) noexcept {
  constexpr std::uint64_t kLongRun = 32, kManyGroups = 64;
  const bool one_group = block.groups == 1;
  const bool columns = block.inner == 1 && block.groups >= kManyGroups;
  if (!one_group && !columns && block.inner < kLongRun) {
    return expanded_runs(tables, block, body);
  }
  for (std::uint64_t i = 0; i < block.n;) {
    const std::uint64_t position = block.first + i;
    const std::uint64_t group = position / block.inner % block.groups;
    std::uint64_t room = kRunElements;
    if (columns) {
      room = block.groups - group;
      if (room > kExpandedElements) room = kExpandedElements;
    } else if (!one_group && block.inner - position % block.inner < room) {
      room = block.inner - position % block.inner;
    }
    const std::uint64_t n = block.n - i < room ? block.n - i : room;
    const std::uint64_t entry = one_group ? 0 : group;
    const qloom_status status = body(tables_from(tables, entry), columns, i, n);
    if (status != QLOOM_OK) return status;
    i += n;
  }
  return QLOOM_OK;
}

}  // namespace qloom::kernels
