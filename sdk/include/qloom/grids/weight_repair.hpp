// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Quantized weights that have the mean, and on request the norm, of the weights they stand for:
// exact as a scale and an offset of each group, so that codes stay as they are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <qloom/kinds/quantizer.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// q -> factor * q + shift of each group, after Banner, Nahshan and Soudry's code:
///   factor = ||w - E(w)|| / ||q - E(q)|| with the norm, 1 without it or where all q are equal
///   shift  = E(w) - factor * E(q)
struct WeightRepair {
  std::vector<double> factor, shift;
  [[nodiscard]] float value(std::size_t group, double q) const noexcept {
    constexpr double kMost = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(factor[group] * q + shift[group], -kMost, kMost));
  }
};

/// The repair of quantized values of w, both with w's groups.
[[nodiscard]] inline WeightRepair weight_repair(const qloom_tensor& w, const float* quantized,
                                                bool has_norm) {
  qloom_tensor q = w;
  q.data = quantized;
  const Moments before = moments(w), after = moments(q);
  WeightRepair repair{std::vector<double>(w.groups, 1.0), before.mean};
  for (std::size_t g = 0; g < w.groups; ++g) {
    if (has_norm && after.deviation[g] > 0.0) {
      repair.factor[g] = before.deviation[g] / after.deviation[g];
    }
    repair.shift[g] -= repair.factor[g] * after.mean[g];
  }
  return repair;
}

/// Error at a site whose values are no weights: they have no output channels.
inline void require_weights(const qloom_site* site) {
  if (site == nullptr || site->role == QLOOM_SITE_WEIGHT) return;
  throw Error(QLOOM_E_INVALID, concat("/repair: is for weights, not for \"", site->name, "\""));
}

/// A quantizer Q of weights with that repair of each output channel, index of the first axis, or of
/// each of Q's groups where it has several. Values of a uniform grid with codes, or of a codebook,
/// keep these, with a grid or codebook for each channel; all other ones are repaired as they are
/// and have no encoding. Q rounds to nearest, ties to even: prepare() repairs the values that
/// apply() gives.
///
/// backward:  that of Q, as if there were no repair
/// state:     that of Q
template <class Q>
class Repaired : public Q {
  static constexpr std::uint32_t kRounds = QLOOM_QUANTIZER_USES_ROUNDING;

 public:
  static constexpr std::uint32_t kCaps =
      (detail::caps<Q>() | QLOOM_QUANTIZER_WANTS_TENSOR) & ~kRounds;

  Repaired(const Params& params, const qloom_site* site) requires
      std::is_constructible_v<Q, const Params&, const qloom_site*>
      : Q(params, site), has_norm_(params.text("/repair") == "mean_norm") {
    require_weights(site);
  }
  Repaired(const Params& params, const qloom_site* site) requires(
      !std::is_constructible_v<Q, const Params&, const qloom_site*>)
      : Q(params), has_norm_(params.text("/repair") == "mean_norm") {
    require_weights(site);
  }
  static bool accepts(const Params& params) { return params.text("/repair") != "none"; }

  void prepare(const qloom_prepare& in) {
    Q::prepare(in);
    quantize(in);
    const qloom_tensor w = by_channel(in.x);
    repair_ = weight_repair(w, quantized_.data(), has_norm_);
    groups_ = w.groups;
    inner_ = w.inner;
    const qloom_encoding before = encoding_before(in.x.groups);
    is_grid_ = before.kind == QLOOM_ENCODING_AFFINE;
    has_codes_ = is_grid_ || before.kind == QLOOM_ENCODING_CODEBOOK;
    if (!has_codes_) return;
    encoding_ = before;
    encoding_.groups = groups_;
    take(bits_of_group_, before, before.bits_of_group);
    take(threshold_, before, before.threshold, before.codebook_size - 1);
    if (is_grid_) {
      repair_grid(before);
    } else {
      repair_codebook(before);
    }
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    if (is_grid_) return apply_by_codes(*this, call, block, x, y);
    const qloom_status status =
        detail::status_of([&] { return Q::apply(nearest(call), block, x, y); });
    if (status == QLOOM_OK) repair(block, y);
    return status;
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    if (!has_codes_) {
      write_error(call.error, QLOOM_E_UNSUPPORTED,
                  "repaired values of this quantizer have no codes");
      return QLOOM_E_UNSUPPORTED;
    }
    return detail::status_of([&] { return Q::encode(nearest(call), block, x, code); });
  }
  qloom_status decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    if (!has_codes_) return QLOOM_E_UNSUPPORTED;
    if (is_grid_) {
      const qloom_grid grid = repaired_grid();
      const qloom_block own = own_block(block);
      kernels().affine_decode(&grid, &own, code, y);
      return QLOOM_OK;
    }
    const qloom_status status = detail::status_of([&] { return Q::decode(block, code, y); });
    if (status == QLOOM_OK) repair(block, y);
    return status;
  }
  void encoding(qloom_encoding& out) const {
    if (!has_codes_) {
      throw Error(QLOOM_E_UNSUPPORTED, "repaired values of this quantizer have no encoding");
    }
    out = encoding_;
    out.bits_of_group = bits_of_group_.empty() ? nullptr : bits_of_group_.data();
    out.threshold = threshold_.empty() ? nullptr : threshold_.data();
    out.grid = is_grid_ ? repaired_grid() : qloom_grid{};
    out.codebook = is_grid_ ? nullptr : codebook_.data();
  }
  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    return detail::status_of([&] { return Q::backward(nearest(call), block, x, dy, dx, sums); });
  }
  /// Of a Q with a table for each instance.
  template <class T>
  void fit(qloom_quantizer& table) const noexcept {
    Q::template fit<Q>(table);
    table.caps &= ~kRounds;
  }

 private:
  static constexpr std::int32_t kLargest = 1 << 24;  // code or zero point that the kernels take

  [[nodiscard]] static qloom_call nearest(const qloom_call& call) noexcept {
    return with_rounding(call, QLOOM_ROUND_NEAREST_EVEN);
  }
  /// The tensor in output channels where it is one group.
  [[nodiscard]] static qloom_tensor by_channel(const qloom_tensor& x) noexcept {
    qloom_tensor w = x;
    if (x.groups != 1 || x.rank == 0 || x.n == 0) return w;
    w.groups = static_cast<std::uint64_t>(x.shape[0]);
    w.outer = 1;
    w.inner = x.n / w.groups;
    return w;
  }
  /// The block in these channels.
  [[nodiscard]] qloom_block own_block(const qloom_block& block) const noexcept {
    return {block.first, block.n, groups_, inner_, 0, groups_};
  }
  /// What Q's encoding has for each group, `size` values or none, for each channel.
  template <class T>
  void take(std::vector<T>& own, const qloom_encoding& before, const T* values,
            std::uint64_t size = 1) {
    own.clear();
    for (std::uint64_t g = 0; values != nullptr && g < groups_; ++g) {
      const T* const of_group = values + (before.groups == 1 ? 0 : g) * size;
      own.insert(own.end(), of_group, of_group + size);
    }
  }

  /// The values of the whole tensor before their repair.
  void quantize(const qloom_prepare& in) {
    constexpr std::uint64_t kBlock = 65536;
    const std::uint64_t blocks = (in.x.n + kBlock - 1) / kBlock;
    quantized_.resize(in.x.n);
    std::vector<qloom_error> errors(blocks, qloom_error{sizeof(qloom_error), QLOOM_OK, {}});
    for_each(blocks, [&](std::uint64_t i) noexcept {
      const std::uint64_t first = i * kBlock, left = in.x.n - first;
      const qloom_block block = block_of(in.x, first, left < kBlock ? left : kBlock);
      const qloom_call call{sizeof(qloom_call), in.training, in.seed, in.stream, in.step, {},
                            &errors[i]};
      errors[i].code = detail::status_of([&] {
        return Q::apply(nearest(call), block, in.x.data + first, quantized_.data() + first);
      });
    });
    for (const qloom_error& e : errors) {
      if (e.code != QLOOM_OK) throw Error(e.code, e.message);
    }
  }
  void repair(const qloom_block& block, float* y) const noexcept {
    for_each_run(own_block(block),
                 [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group) {
                   for (std::uint64_t i = begin; i < begin + count; ++i)
                     y[i] = repair_.value(group, y[i]);
                 });
  }

  /// Q's encoding; of kind NONE where it has none whose codes can stay.
  [[nodiscard]] qloom_encoding encoding_before(std::uint64_t groups) const {
    qloom_encoding e{};
    e.struct_size = sizeof e;
    if constexpr (requires(const Q& q) { q.encodes(); }) {
      if (!Q::encodes()) return e;
    }
    try {
      Q::encoding(e);
    } catch (const Error&) {
      e.kind = QLOOM_ENCODING_NONE;
    }
    const auto fits = [](std::int32_t code) { return -kLargest <= code && code <= kLargest; };
    for (std::uint64_t g = 0; e.kind == QLOOM_ENCODING_AFFINE && g < e.groups; ++g) {
      const bool is_small =
          fits(e.grid.code_min[g]) && fits(e.grid.code_max[g]) && fits(e.grid.zero_point[g]);
      if (!is_small) e.kind = QLOOM_ENCODING_NONE;
    }
    if (e.groups != groups) e.kind = QLOOM_ENCODING_NONE;
    return e;
  }

  /// Scales and offsets; codes stay. A group whose repaired grid float32 does not hold stays as it
  /// is.
  void repair_grid(const qloom_encoding& before) {
    take(scale_, before, before.grid.scale);
    take(zero_point_, before, before.grid.zero_point);
    take(code_min_, before, before.grid.code_min);
    take(code_max_, before, before.grid.code_max);
    take(offset_, before, before.grid.offset);
    offset_.resize(groups_);
    inv_scale_.resize(groups_);
    for (std::uint64_t g = 0; g < groups_; ++g) {
      const float scale = static_cast<float>(repair_.factor[g] * double{scale_[g]});
      const float offset = repair_.value(g, offset_[g]);
      const auto end = [&](std::int32_t code) {
        return offset + static_cast<float>(code - zero_point_[g]) * scale;
      };
      if (std::isnormal(scale) && std::isfinite(end(code_min_[g]) + end(code_max_[g]))) {
        scale_[g] = scale;
        offset_[g] = offset;
      }
      inv_scale_[g] = std::min(1.0F / scale_[g], std::numeric_limits<float>::max());
    }
  }
  [[nodiscard]] qloom_grid repaired_grid() const noexcept {
    return {scale_.data(),      inv_scale_.data(), offset_.data(),
            zero_point_.data(), code_min_.data(),  code_max_.data()};
  }
  void repair_codebook(const qloom_encoding& before) {
    take(codebook_, before, before.codebook, before.codebook_size);
    for (std::uint64_t i = 0; i < codebook_.size(); ++i) {
      codebook_[i] = repair_.value(i / before.codebook_size, codebook_[i]);
    }
  }

  bool has_norm_, is_grid_ = false, has_codes_ = false;
  WeightRepair repair_;
  std::uint64_t groups_ = 1, inner_ = 1;  // of the repair
  qloom_encoding encoding_{};             // with none of its arrays
  std::vector<float> quantized_, scale_, inv_scale_, offset_, codebook_, bits_of_group_, threshold_;
  std::vector<std::int32_t> zero_point_, code_min_, code_max_;
};

}  // namespace qloom::sdk
