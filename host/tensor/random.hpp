// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Counter-based random numbers, the scalar definition (Salmon, Moraes, Dror, Shaw, 2011,
// "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10). No generator holds state: a word
// is a function of (seed, stream, step, index).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace qloom {

/// Ten rounds of Philox4x32 on a counter and a key.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c,
                                                            std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k[0] += 0x9E3779B9U;
    k[1] += 0xBB67AE85U;
  }
  return c;
}

/// Word `index` of the stream at a step: word index % 4 of the block with
///   counter = (low half of index / 4, step, low half of stream, high half of stream
///              xor high half of index / 4),  key = (low half of seed, high half of seed).
[[nodiscard]] constexpr std::uint32_t random_word(std::uint64_t seed, std::uint64_t stream,
                                                  std::uint64_t step, std::uint64_t index) {
  const std::uint64_t block = index / 4;
  const auto words =
      philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(step),
              static_cast<std::uint32_t>(stream),
              static_cast<std::uint32_t>(stream >> 32) ^ static_cast<std::uint32_t>(block >> 32)},
             {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return words[index % 4];
}

/// Uniform in [0, 1) with 24 bits.
[[nodiscard]] constexpr float uniform(std::uint32_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

/// The stream of a named use, for instance "weight/conv1": FNV-1a, 64 bits.
[[nodiscard]] constexpr std::uint64_t stream_id(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3U;
  }
  return hash;
}

}  // namespace qloom
