// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How tensors are cut: blocks of a tensor, runs, spans and pieces of a block. Nothing of a plugin
// is needed here, so that the host and tests may use the same cuts.
#pragma once

#include <cstdint>
#include <type_traits>

#include <qloom/abi.h>

namespace qloom::sdk {

/// The group of element i of a block's tensor.
[[nodiscard]] inline std::uint64_t group_of(const qloom_block& block, std::uint64_t i) noexcept {
  return (i / block.inner) % block.groups;
}

namespace detail {
/// body(arguments...) of a loop that a status ends: bodies return one, or nothing.
template <class Body, class... Arguments>
qloom_status status_of_part(Body& body, const Arguments&... arguments) {
  if constexpr (std::is_void_v<decltype(body(arguments...))>) {
    body(arguments...);
    return QLOOM_OK;
  } else {
    return body(arguments...);
  }
}
}  // namespace detail

/// body(begin, count, group) for each run of the block that lies in one group; begin counts from
/// the block's first element. For per-channel activations a run has one element. Where body returns
/// a status, the first that is not QLOOM_OK ends the loop and is returned.
template <class Body>
qloom_status for_each_run(const qloom_block& block, Body body) {
  std::uint64_t i = 0;
  std::uint64_t run = block.first / block.inner;
  std::uint64_t left = block.inner - block.first % block.inner;
  std::uint64_t group = run % block.groups;
  while (i < block.n) {
    const std::uint64_t count = left < block.n - i ? left : block.n - i;
    const qloom_status status = detail::status_of_part(body, i, count, group);
    if (status != QLOOM_OK) return status;
    i += count;
    left = block.inner;
    if (++group == block.groups) group = 0;
  }
  return QLOOM_OK;
}

/// body(begin, count, group, is_columns) for spans of a block that a vector loop takes: runs of one
/// group or, with is_columns, one element each of the groups group .. group + count - 1.
template <class Body>
void for_each_span(const qloom_block& block, Body body) {
  if (block.inner > 1 || block.groups == 1) {
    for_each_run(block, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
      body(begin, count, group, false);
    });
    return;
  }
  std::uint64_t group = block.first % block.groups;
  for (std::uint64_t i = 0; i < block.n;) {
    const std::uint64_t room = block.groups - group, left = block.n - i;
    const std::uint64_t count = room < left ? room : left;
    body(i, count, group, true);
    i += count;
    group = 0;
  }
}

/// Elements of one piece: 4 KiB of float, so that a few of them fit on the stack and in the L1.
inline constexpr std::uint64_t kPieceElements = 1024;

/// body(piece, i) for consecutive pieces of a block, i counted from the block's first element: for
/// methods that keep intermediate values on the stack. group_first and group_count stay those of
/// the whole block. A status ends the loop, as in for_each_run().
template <class Body>
qloom_status for_each_piece(const qloom_block& block, Body body) {
  for (std::uint64_t i = 0; i < block.n; i += kPieceElements) {
    qloom_block piece = block;
    piece.first = block.first + i;
    piece.n = block.n - i < kPieceElements ? block.n - i : kPieceElements;
    const qloom_status status = detail::status_of_part(body, piece, i);
    if (status != QLOOM_OK) return status;
  }
  return QLOOM_OK;
}

/// Elements first .. first + n - 1 of a tensor.
[[nodiscard]] inline qloom_block block_of(const qloom_tensor& x, std::uint64_t first,
                                          std::uint64_t n) noexcept {
  const std::uint64_t begin = first / x.inner, end = (first + n - 1) / x.inner;
  qloom_block block{first, n, x.groups, x.inner, 0, x.groups};
  if (begin / x.groups == end / x.groups) {
    block.group_first = begin % x.groups;
    block.group_count = end - begin + 1;
  }
  return block;
}

/// body(value) for the elements of one group of a tensor, in order of their index.
template <class Body>
void for_each_in_group(const qloom_tensor& x, std::uint64_t group, Body body) {
  for (std::uint64_t o = 0; o < x.outer; ++o) {
    const std::uint64_t begin = (o * x.groups + group) * x.inner;
    const std::uint64_t end = begin + x.inner < x.n ? begin + x.inner : x.n;
    for (std::uint64_t i = begin; i < end; ++i) body(x.data[i]);
  }
}

}  // namespace qloom::sdk
