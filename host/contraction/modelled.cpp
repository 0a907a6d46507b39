// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/modelled.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "host/contraction/codes.hpp"
#include "host/contraction/patches.hpp"
#include "host/contraction/slices.hpp"
#include "host/contraction/source.hpp"
#include "host/tensor/error.hpp"

namespace qloom::contraction {
namespace {

constexpr const char* kAveraged =
    "; averaged weights, which a procedure may set, are evaluated in float32 and have no codes";

bool wants_codes(const AccumulatorRef& accumulator) {
  return (accumulator.ops->caps & QLOOM_ACCUMULATOR_INTEGER) != 0;
}

/// `more`: another reason why it may have no codes.
void require_codes(const Operand& operand, bool has_one_scale, const char* what,
                   const char* more = "") {
  if (!is_coded(operand)) {
    throw RunError(
        std::string("an integer accumulator needs integer codes of at most 2^22: ") + what +
        " has " +
        (!operand.codes ? "real values" : "codes up to " + std::to_string(operand.largest_code())) +
        "; give it a quantizer with an affine encoding" + (operand.codes ? "" : more));
  }
  if (has_one_scale && operand.scale_count != 1) {
    throw RunError(std::string("an integer accumulator needs one scale for all products of a "
                               "sum: ") +
                   what + " has " + std::to_string(operand.scale_count) +
                   " scales; use granularity \"tensor\"");
  }
}

std::int64_t pieces(std::int64_t n, std::int64_t tile) { return (n + tile - 1) / tile; }

}  // namespace

const float* ModelledContraction::prepare(const Operand& operand, std::int64_t n,
                                          const AccumulatorRef& accumulator, Tensor& buffer) {
  const auto as = wants_codes(accumulator) ? Source::As::kDigit : Source::As::kValues;
  return static_cast<const float*>(all_elements({operand, as}, n, buffer));
}

/// More than forty lines: a tile from the gathering of its operands to the storing of its results.
template <class GatherA, class GatherB, class Store>
void ModelledContraction::run(const Product& p, const AccumulatorRef& accumulator,
                              const GatherA& gather_a, const GatherB& gather_b,
                              const Store& store) {
  const std::int64_t row_tiles = pieces(p.rows, p.row_tile);
  const std::int64_t col_tiles = pieces(p.cols, p.col_tile);
  const std::int64_t tiles = p.groups * col_tiles * row_tiles;
  if (areas_.size() < slot_count()) areas_.resize(slot_count());
  overflows_.assign(static_cast<std::size_t>(tiles), 0);
  for_each_slice(tiles, [&](std::int64_t t, std::size_t slot) {
    const std::int64_t group = t / (row_tiles * col_tiles);
    const std::int64_t col = t / row_tiles % col_tiles * p.col_tile;
    const std::int64_t row = t % row_tiles * p.row_tile;
    const std::int64_t rows = std::min(p.row_tile, p.rows - row);
    const std::int64_t cols = std::min(p.col_tile, p.cols - col);
    Area& area = areas_[slot];
    area.c.resize(std::max(area.c.size(), static_cast<std::size_t>(p.row_tile * p.col_tile)));
    const View a = gather_a(area, group, row, rows), b = gather_b(area, group, col, cols);
    const std::int64_t first = store.index(group, row, col);
    const qloom_tile tile{a.values,
                          b.values,
                          area.c.data(),
                          a.pitch,
                          b.pitch,
                          cols,
                          static_cast<std::uint64_t>(rows),
                          static_cast<std::uint64_t>(cols),
                          static_cast<std::uint64_t>(p.k),
                          static_cast<std::uint64_t>(first),
                          static_cast<std::uint64_t>(p.pitch)};
    qloom_error error{sizeof(qloom_error), QLOOM_OK, {}};
    qloom_call call = accumulator.call;
    call.error = &error;
    std::uint64_t& overflows = overflows_[static_cast<std::size_t>(t)];
    const qloom_status status =
        accumulator.around != nullptr
            ? accumulator.around(accumulator, call, tile, overflows)
            : accumulator.ops->accumulate(accumulator.self, &call, &tile, &overflows);
    if (status != QLOOM_OK) {
      throw RunError("the accumulator refused a tile with status " + std::to_string(status) + ": " +
                     error.message);
    }
    store(first, rows, cols, area.c.data());
  });
  if (accumulator.overflows == nullptr) return;
  *accumulator.overflows += std::accumulate(overflows_.begin(), overflows_.end(), std::uint64_t{});
}

namespace {

/// Writes sums to their places: out[first + r * pitch + c] = float(sum * factor[channel]) + bias,
/// or with a bias of integers float((sum + bias) * factor[channel]).
struct StoreRows {
  std::int64_t pitch, group_size;  ///< group_size: index distance of two groups
  float* out;
  const double* factor;  ///< one per channel of the row, or null: 1
  double common = 1;
  Bias bias{};
  std::int64_t* sums = nullptr;

  [[nodiscard]] std::int64_t index(std::int64_t group, std::int64_t row, std::int64_t col) const {
    return row * pitch + group * group_size + col;
  }
  void operator()(std::int64_t first, std::int64_t rows, std::int64_t cols,
                  const double* sum) const {
    const std::int64_t channel = first % pitch;
    for (std::int64_t r = 0; r < rows; ++r, sum += cols) {
      float* to = out + first + r * pitch;
      if (sums != nullptr) std::copy_n(sum, cols, sums + first + r * pitch);
      if (bias.integers != nullptr) {
        for (std::int64_t c = 0; c < cols; ++c) {
          to[c] = static_cast<float>((sum[c] + bias.integers[channel + c]) * factor[channel + c]);
        }
        continue;
      }
      if (factor != nullptr) {
        for (std::int64_t c = 0; c < cols; ++c) {
          to[c] = static_cast<float>(sum[c] * factor[channel + c]);
        }
      } else {
        for (std::int64_t c = 0; c < cols; ++c) to[c] = static_cast<float>(sum[c] * common);
      }
      if (bias.values == nullptr) continue;
      for (std::int64_t c = 0; c < cols; ++c) to[c] += bias.values[channel + c];
    }
  }
};

/// Rows of a tile whose gathered operand stays in the second-level cache.
std::int64_t row_tile_for(std::int64_t k) {
  constexpr std::int64_t kElements = 65536;  // 256 KiB of float
  return std::clamp<std::int64_t>(kElements / k, 4, 64);
}

constexpr std::int64_t kColumnTile = 64;

double common_factor(const AccumulatorRef& accumulator, const Operand& a, const Operand& b) {
  return wants_codes(accumulator) ? double{*a.scale} * double{*b.scale} : 1.0;
}

}  // namespace

void ModelledContraction::forward(const ContractionShape& s, const Operand& x, const Operand& w,
                                  const Bias& bias, float* y, const AccumulatorRef& accumulator,
                                  std::int64_t* sums) {
  factors_.assign(static_cast<std::size_t>(s.out_c), 1.0);
  if (wants_codes(accumulator)) {
    require_codes(x, true, "the input");
    require_codes(w, false, "the weight", kAveraged);
    for (std::size_t o = 0; o < factors_.size(); ++o) {
      factors_[o] = double{*x.scale} * double{w.scale[w.scale_count == 1 ? 0 : o]};
    }
  }
  const std::int64_t k = s.fan_in(), outputs = s.out_c / s.groups;
  const float* values = prepare(x, s.x_size(), accumulator, left_);
  const float* weights = prepare(w, s.w_size(), accumulator, right_);
  float* turned = grown(turned_, s.w_size());  // (group, k, output channel)
  for_each(static_cast<std::uint64_t>(s.out_c), [&](std::uint64_t index) {
    const auto o = static_cast<std::int64_t>(index);
    float* to = turned + o / outputs * outputs * k + o % outputs;
    for (std::int64_t i = 0; i < k; ++i) to[i * outputs] = weights[o * k + i];
  });
  const Product product{s.y_size() / s.out_c, outputs,    k, s.groups, s.out_c,
                        row_tile_for(k),      kColumnTile};
  run(
      product, accumulator,
      [&](Area& area, std::int64_t group, std::int64_t row, std::int64_t rows) -> View {
        if (is_pointwise(s)) return {values + row * s.in_c, s.in_c};
        float* a = grown(area.a, rows * k);
        Corner corner(s, row);
        for (std::int64_t r = 0; r < rows; ++r, corner.next()) {
          gather_patch(s, values, group, corner, 0, k, a + r * k);
        }
        return {a, k};
      },
      [&](Area&, std::int64_t group, std::int64_t col, std::int64_t) -> View {
        return {turned + group * k * outputs + col, outputs};
      },
      StoreRows{s.out_c, outputs, y, factors_.data(), 1, bias, sums});
}

void ModelledContraction::input_gradient(const ContractionShape& s, const Operand& dy,
                                         const Operand& w, float* dx,
                                         const AccumulatorRef& accumulator) {
  if (wants_codes(accumulator)) {
    require_codes(dy, true, "the error");
    require_codes(w, true, "the weight", kAveraged);
  }
  const std::int64_t outputs = s.out_c / s.groups, inputs = s.in_c / s.groups;
  const std::int64_t places = s.kernel_h * s.kernel_w, k = places * outputs;
  const float* errors = prepare(dy, s.y_size(), accumulator, left_);
  const float* weights = prepare(w, s.w_size(), accumulator, right_);
  float* turned = grown(turned_, s.w_size());  // (group, place, output channel, input channel)
  for_each(static_cast<std::uint64_t>(s.out_c), [&](std::uint64_t index) {
    const auto o = static_cast<std::int64_t>(index);
    for (std::int64_t place = 0; place < places; ++place) {
      std::copy_n(weights + (o * places + place) * inputs, inputs,
                  turned + ((o / outputs * places + place) * outputs + o % outputs) * inputs);
    }
  });
  const Product product{s.x_size() / s.in_c, inputs,     k, s.groups, s.in_c,
                        row_tile_for(k),     kColumnTile};
  run(
      product, accumulator,
      [&](Area& area, std::int64_t group, std::int64_t row, std::int64_t rows) -> View {
        if (is_pointwise(s)) return {errors + row * s.out_c, s.out_c};
        float* a = grown(area.a, rows * k);
        for (std::int64_t r = 0; r < rows; ++r) {
          gather_errors(s, errors, group, row + r, a + r * k);
        }
        return {a, k};
      },
      [&](Area&, std::int64_t group, std::int64_t col, std::int64_t) -> View {
        return {turned + group * k * inputs + col, inputs};
      },
      StoreRows{s.in_c, inputs, dx, nullptr, common_factor(accumulator, dy, w)});
}

void ModelledContraction::weight_gradient(const ContractionShape& s, const Operand& x,
                                          const Operand& dy, float* dw,
                                          const AccumulatorRef& accumulator) {
  if (wants_codes(accumulator)) {
    require_codes(x, true, "the input");
    require_codes(dy, true, "the error");
  }
  const std::int64_t outputs = s.out_c / s.groups, k = s.y_size() / s.out_c;
  const float* values = prepare(x, s.x_size(), accumulator, left_);
  const float* errors = prepare(dy, s.y_size(), accumulator, right_);
  float* turned = grown(turned_, s.y_size());  // (output channel, pixel)
  constexpr std::int64_t kPixels = 64;         // rows of dy that are turned at once
  for_each(static_cast<std::uint64_t>(pieces(k, kPixels)), [&](std::uint64_t index) {
    const std::int64_t first = static_cast<std::int64_t>(index) * kPixels;
    const std::int64_t last = std::min(first + kPixels, k);
    for (std::int64_t o = 0; o < s.out_c; ++o) {
      for (std::int64_t i = first; i < last; ++i) turned[o * k + i] = errors[i * s.out_c + o];
    }
  });
  // The gathered columns are long (k is all pixels of the batch): few columns, many rows.
  constexpr std::int64_t kColumns = 32;
  const std::int64_t tiles = s.groups * pieces(s.fan_in(), kColumns);
  const std::int64_t rows = tiles >= 8 ? 64 : std::clamp<std::int64_t>(outputs * tiles / 8, 4, 64);
  const Product product{outputs, s.fan_in(), k, s.groups, s.fan_in(), rows, kColumns};
  run(
      product, accumulator,
      [&](Area&, std::int64_t group, std::int64_t row, std::int64_t) -> View {
        return {turned + (group * outputs + row) * k, k};
      },
      [&](Area& area, std::int64_t group, std::int64_t col, std::int64_t cols) -> View {
        if (is_pointwise(s)) return {values + col, s.in_c};
        float* b = grown(area.b, k * cols);
        Corner corner(s, 0);
        for (std::int64_t i = 0; i < k; ++i, corner.next()) {
          gather_patch(s, values, group, corner, col, cols, b + i * cols);
        }
        return {b, cols};
      },
      StoreRows{s.fan_in(), outputs * s.fan_in(), dw, nullptr, common_factor(accumulator, x, dy)});
}

}  // namespace qloom::contraction
