// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/source.hpp"

#include "host/kernels/stored_codes.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::contraction {
namespace {

/// Writes elements first .. first + n - 1 of a source that is not in memory as it is wanted.
void load(const Source& source, std::int64_t first, std::int64_t n, float* out) {
  const CodeView codes = source.operand.codes.from(static_cast<std::uint64_t>(first));
  const auto count = static_cast<std::uint64_t>(n);
  if (source.as == Source::As::kValues) {
    kernels::load_values(codes, *source.operand.scale, out, count);
  } else if (source.as == Source::As::kDigit) {
    load_digit(codes, source.digits, source.index, out, count);
  } else {
    load_digit_bytes(codes, source.digits, source.index, source.shift,
                     reinterpret_cast<std::uint8_t*>(out), count);
  }
}

}  // namespace

const void* elements(const Source& source, std::int64_t first, std::int64_t n, Tensor& buffer) {
  if (!source.is_there()) {
    float* const out = grown(buffer, source.buffer_size(n));
    load(source, first, n, out);
    return out;
  }
  if (source.as == Source::As::kValues) return source.operand.values + first;
  return source.operand.codes.from(static_cast<std::uint64_t>(first)).data;
}

const void* all_elements(const Source& source, std::int64_t n, Tensor& buffer) {
  if (source.is_there()) return elements(source, 0, n, buffer);
  float* const out = grown(buffer, source.buffer_size(n));
  for_each_tile(static_cast<std::uint64_t>(n), [&](std::uint64_t first, std::uint64_t count) {
    const std::uint64_t size = source.as == Source::As::kByte ? 1 : sizeof(float);
    load(source, static_cast<std::int64_t>(first), static_cast<std::int64_t>(count),
         out + first * size / sizeof(float));
  });
  return out;
}

}  // namespace qloom::contraction
