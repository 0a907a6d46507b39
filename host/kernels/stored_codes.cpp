// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/kernels/stored_codes.hpp"

#include <algorithm>
#include <type_traits>

#include "host/kernels/vectorized.hpp"

namespace qloom::kernels {
// Bytes may be anything's, also a captured variable's: loops that write bytes have variables of
// their own.
namespace {

/// body(pointer to the stored numbers, of their type)
template <class Byte, class Body>
void with_type(Byte* data, CodeForm form, const Body& body) {
  const auto as = [data](auto number) {
    using Number = decltype(number);
    if constexpr (std::is_const_v<Byte>) {
      return reinterpret_cast<const Number*>(data);
    } else {
      return reinterpret_cast<Number*>(data);
    }
  };
  if (form.bytes() == 1) return body(as(std::uint8_t{}));
  if (form.bytes() == 2) return body(as(std::uint16_t{}));
  body(as(std::uint32_t{}));
}

}  // namespace

bool store_codes(const std::int32_t* codes, std::int32_t zero, CodeForm form, std::uint8_t* out,
                 std::uint64_t n) {
  const auto base = static_cast<std::uint32_t>(zero) + static_cast<std::uint32_t>(form.lo);
  std::uint32_t furthest = 0;
  with_type(out, form, [&](auto* to) {
    vectorized([=, &furthest] {
      auto* const stored = to;
      const std::int32_t* const from = codes;
      const std::uint32_t least = base;
      const std::uint64_t count = n;
      std::uint32_t most = 0;
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint32_t above = static_cast<std::uint32_t>(from[i]) - least;
        most = std::max(most, above);
        stored[i] = static_cast<std::remove_pointer_t<decltype(to)>>(above);
      }
      furthest = most;
    });
  });
  return furthest <= form.span;
}

void load_codes(CodeView codes, float* out, std::uint64_t n) {
  with_type(codes.data, codes.form, [&](auto* from) {
    vectorized([=, lo = codes.form.lo] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) {
        out[i] = static_cast<float>(static_cast<std::int32_t>(from[i]) + lo);
      }
    });
  });
}

void load_values(CodeView codes, float scale, float* out, std::uint64_t n) {
  with_type(codes.data, codes.form, [&](auto* from) {
    vectorized([=, lo = codes.form.lo] {
      QLOOM_INDEPENDENT_STEPS
      for (std::uint64_t i = 0; i < n; ++i) {
        out[i] = static_cast<float>(static_cast<std::int32_t>(from[i]) + lo) * scale;
      }
    });
  });
}

void load_bytes(CodeView codes, std::int32_t shift, std::uint8_t* out, std::uint64_t n) {
  const auto add = static_cast<std::uint8_t>(codes.form.lo + shift);
  vectorized([=, data = codes.data] {
    std::uint8_t* const to = out;
    const std::uint8_t *const from = data, more = add;
    const std::uint64_t count = n;
    QLOOM_INDEPENDENT_STEPS
    for (std::uint64_t i = 0; i < count; ++i) to[i] = static_cast<std::uint8_t>(from[i] + more);
  });
}

}  // namespace qloom::kernels
