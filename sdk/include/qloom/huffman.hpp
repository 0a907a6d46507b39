// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Lengths of Huffman codes (Huffman, 1952), for the size of what is stored in them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <queue>
#include <utility>
#include <vector>

namespace qloom::sdk {

/// Length of one symbol's code in the table of a canonical code. Unit: bits.
inline constexpr double kLengthBits = 8;
/// A symbol beside those of codes, for an entry that stands for 0.
inline constexpr std::int64_t kFiller = std::numeric_limits<std::int64_t>::max();

/// How often each symbol comes, the smallest symbol first.
template <class Symbols>
[[nodiscard]] std::vector<std::uint64_t> counts_of(const Symbols& symbols) {
  std::map<std::int64_t, std::uint64_t> counts;
  for (const auto symbol : symbols) ++counts[symbol];
  std::vector<std::uint64_t> list;
  for (const auto& [symbol, count] : counts) list.push_back(count);
  return list;
}

/// Length of each symbol's code, whose sum weighted by the counts is the least possible; of equal
/// weights the symbols that come first are joined first. 1 for a symbol alone; a count of 0 has
/// length 0. Unit: bits.
[[nodiscard]] inline std::vector<std::uint32_t> huffman_lengths(
    const std::vector<std::uint64_t>& counts) {
  struct Tree {
    std::uint64_t weight, first;
    std::vector<std::size_t> symbols;
    bool operator>(const Tree& o) const {
      return std::pair(weight, first) > std::pair(o.weight, o.first);
    }
  };
  std::vector<std::uint32_t> lengths(counts.size(), 0);
  std::priority_queue<Tree, std::vector<Tree>, std::greater<>> forest;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) forest.push({counts[i], i, {i}});
  }
  if (forest.size() == 1) lengths[forest.top().first] = 1;
  while (forest.size() > 1) {
    Tree a = forest.top();
    forest.pop();
    const Tree b = forest.top();
    forest.pop();
    a.weight += b.weight;
    a.first = std::min(a.first, b.first);
    a.symbols.insert(a.symbols.end(), b.symbols.begin(), b.symbols.end());
    for (const std::size_t symbol : a.symbols) ++lengths[symbol];
    forest.push(std::move(a));
  }
  return lengths;
}

/// All symbols in their Huffman codes, and the table of a canonical code. Unit: bits.
[[nodiscard]] inline double coded_bits(const std::vector<std::uint64_t>& counts) {
  const std::vector<std::uint32_t> lengths = huffman_lengths(counts);
  double bits = kLengthBits * static_cast<double>(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) {
    bits += static_cast<double>(counts[i]) * lengths[i];
  }
  return bits;
}

}  // namespace qloom::sdk
