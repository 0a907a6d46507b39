// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How the fast executor keeps values: as narrow as the type of their tensor allows.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "host/kernels/vectorized.hpp"
#include "host/program/program.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::program::fast {

enum class Storage { kU8, kS8, kS16, kS32, kS64 };

[[nodiscard]] inline Storage storage_of(Type type) {
  const int bits = type.bits + (type.is_signed ? 0 : 1);  // in two's complement
  if (!type.is_signed && type.bits <= 8) return Storage::kU8;
  return bits <= 8    ? Storage::kS8
         : bits <= 16 ? Storage::kS16
         : bits <= 32 ? Storage::kS32
                      : Storage::kS64;
}

[[nodiscard]] inline std::int64_t bytes_of(Storage storage) {
  constexpr std::int64_t kBytes[] = {1, 1, 2, 4, 8};
  return kBytes[static_cast<std::size_t>(storage)];
}

/// body(a value of the storage's type)
template <class Body>
void with_type(Storage storage, const Body& body) {
  switch (storage) {
    case Storage::kU8:
      return body(std::uint8_t{});
    case Storage::kS8:
      return body(std::int8_t{});
    case Storage::kS16:
      return body(std::int16_t{});
    case Storage::kS32:
      return body(std::int32_t{});
    case Storage::kS64:
      return body(std::int64_t{});
  }
}

template <class T>
[[nodiscard]] const T* as(const std::byte* values) {
  return reinterpret_cast<const T*>(values);
}
template <class T>
[[nodiscard]] T* as(std::byte* values) {
  return reinterpret_cast<T*>(values);
}

/// 64-byte aligned memory; contents are undefined where it had to grow.
class Memory {
 public:
  [[nodiscard]] std::byte* bytes(std::int64_t n) {
    const std::int64_t floats = (n + 3) / 4;
    if (static_cast<std::int64_t>(held_.size()) < floats) held_.resize({floats});
    return reinterpret_cast<std::byte*>(held_.data());
  }

 private:
  qloom::Tensor held_;
};

/// to[i] = from[i], of other types; every value fits in both.
template <class From, class To>
void convert(const From* from, std::int64_t n, To* to) {
  kernels::vectorized([from, n, to] {
    const From* const x =
        from;  // what a byte is written to may be anything, a captured pointer too
    To* const y = to;
    const std::int64_t count = n;
    QLOOM_INDEPENDENT_STEPS
    for (std::int64_t i = 0; i < count; ++i) y[i] = static_cast<To>(x[i]);
  });
}

/// n values as 64-bit integers, and back.
inline void load(const std::byte* from, Storage storage, std::int64_t n, std::int64_t* to) {
  with_type(storage, [&](auto one) { convert(as<decltype(one)>(from), n, to); });
}
inline void store(const std::int64_t* from, std::int64_t n, std::byte* to, Storage storage) {
  with_type(storage, [&](auto one) {
    using To = decltype(one);
    if constexpr (sizeof(To) > 2) return convert(from, n, as<To>(to));
    constexpr std::int64_t kTogether = 512;  // compilers narrow well by steps only
    std::array<std::int32_t, kTogether> tile;
    for (std::int64_t first = 0; first < n; first += kTogether) {
      const std::int64_t count = std::min(kTogether, n - first);
      convert(from + first, count, tile.data());
      convert(tile.data(), count, as<To>(to) + first);
    }
  });
}

}  // namespace qloom::program::fast
