// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/padded_input.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "host/contraction/source.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::contraction {
namespace {

/// The shape whose input has the padding.
ContractionShape without_padding(ContractionShape s) {
  s.in_h += s.pad_top + s.pad_bottom;
  s.in_w += s.pad_left + s.pad_right;
  s.pad_top = s.pad_bottom = s.pad_left = s.pad_right = 0;
  return s;
}

/// The stored number of the code that stands for the operand's pad, exactly; nothing without one.
std::optional<std::uint32_t> stored_pad(const Operand& x) {
  if (!x.codes || x.scale_count != 1) return std::nullopt;
  const CodeForm& form = x.codes.form;
  const double code = std::nearbyint(double{x.pad} / double{*x.scale});
  const double stored = code - form.lo;
  if (!(stored >= 0 && stored <= form.span)) return std::nullopt;
  if (static_cast<float>(code) * *x.scale != x.pad) return std::nullopt;
  return static_cast<std::uint32_t>(stored);
}

/// All samples of x into `to`, with the padding around each.
template <class Number>
void write_padded(const ContractionShape& s, const Number* x, Number pad, Number* to) {
  const std::int64_t row = s.in_w * s.in_c;
  const std::int64_t left = s.pad_left * s.in_c, right = s.pad_right * s.in_c;
  const std::int64_t pitch = left + row + right;
  const std::int64_t sample = (s.pad_top + s.in_h + s.pad_bottom) * pitch;
  for_each(static_cast<std::uint64_t>(s.batch), [=](std::uint64_t i) {
    const auto b = static_cast<std::int64_t>(i);
    const Number* from = x + b * s.in_h * row;
    Number* out = std::fill_n(to + b * sample, s.pad_top * pitch, pad);
    for (std::int64_t h = 0; h < s.in_h; ++h, from += row) {
      out = std::fill_n(out, left, pad);
      out = std::copy_n(from, row, out);
      out = std::fill_n(out, right, pad);
    }
    std::fill_n(out, s.pad_bottom * pitch, pad);
  });
}

/// The same for codes, stored as numbers of this type.
template <class Number>
void write_codes(const ContractionShape& s, CodeView x, std::uint32_t pad, CodedTensor& out) {
  write_padded(s, reinterpret_cast<const Number*>(x.data), static_cast<Number>(pad),
               reinterpret_cast<Number*>(out.at(0)));
}

}  // namespace

bool PaddedInput::keeps_codes(const Operand& x) { return stored_pad(x).has_value(); }

Padded PaddedInput::make(const ContractionShape& s, const Operand& x) {
  Padded padded{without_padding(s), x};
  const std::optional<std::uint32_t> pad = stored_pad(x);
  if (pad) {
    const CodeForm& form = x.codes.form;
    codes_.resize(static_cast<std::size_t>(padded.shape.x_size()), form);
    if (form.bytes() == 1) write_codes<std::uint8_t>(s, x.codes, *pad, codes_);
    if (form.bytes() == 2) write_codes<std::uint16_t>(s, x.codes, *pad, codes_);
    if (form.bytes() == 4) write_codes<std::uint32_t>(s, x.codes, *pad, codes_);
    padded.x.codes = codes_.view();
    if (x.values == nullptr) return padded;
  } else {
    padded.x = {};
    padded.x.pad = x.pad;
  }
  const auto* const values = static_cast<const float*>(
      all_elements({.operand = x, .as = Source::As::kValues}, s.x_size(), loaded_));
  values_.resize({padded.shape.x_size()});
  write_padded(s, values, x.pad, values_.data());
  padded.x.values = values_.data();
  return padded;
}

}  // namespace qloom::contraction
