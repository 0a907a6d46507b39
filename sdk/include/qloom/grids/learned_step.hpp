// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The gradients of a uniform grid whose step and place are learned.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include <qloom/uniform_grid.hpp>
#include <qloom/vectorized.hpp>

namespace qloom::sdk {

/// Which values count as inside, between the lowest code n and the highest p of the grid, both
/// counted from the zero point: those with n < t < p, t = (x - offset) / step, or those whose
/// rounded code was not clipped.
enum class Inside { kByValue, kByCode };

/// dx = dy inside, else 0. To the two sums per group the terms
///   dy * (c - t) inside and dy * c outside: dy * d y / d step, c = clamp(round(t), n, p)
///   0 inside and dy outside: what the grid's place gets
template <Inside kInside>
class LearnedStep : public UniformGrid {
 public:
  static constexpr std::uint64_t kSumsPerGroup = 2;

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      float t[kPieceElements], code[kPieceElements];
      const float *in = x + first, *gradient = dy + first;
      float* out = dx + first;
      for_each_element(piece, entry_of(ends_), [=, &t](const Group& group, std::uint64_t i) {
        t[i] = (in[i] - group.offset) * group.inverse;
      });
      const qloom_status status = kernels().round(&call, piece.first, t, code, piece.n);
      if (status != QLOOM_OK) return status;
      const auto terms = [=, &t, &code](const Group& group, std::uint64_t i) {
        const float g = gradient[i], above = code[i] > group.low ? code[i] : group.low;
        const float c = above < group.high ? above : group.high;
        const bool is_inside =
            kInside == Inside::kByCode ? code[i] == c : t[i] > group.low && t[i] < group.high;
        out[i] = is_inside ? g : 0.0F;
        return std::array{g * (c - (is_inside ? t[i] : 0.0F)), is_inside ? 0.0F : g};
      };
      sum_elements(piece, sums, entry_of(ends_), terms);
      return status;
    });
  }

 protected:
  /// What backward() needs, after the grids of all groups were set.
  void end_grid() {
    ends_.resize(scale_.size());
    for (std::size_t g = 0; g < ends_.size(); ++g) {
      ends_[g] = {inv_scale_[g], offset_.empty() ? 0.0F : offset_[g],
                  static_cast<float>(code_min_[g] - zero_point_[g]),
                  static_cast<float>(code_max_[g] - zero_point_[g])};
    }
  }
  /// 1 / sqrt(N p) with N the elements of a group and p the highest code, or 1.
  [[nodiscard]] double gradient_factor(const qloom_tensor& x, bool is_scaled) const noexcept {
    const double elements = static_cast<double>(x.outer * x.inner);
    return is_scaled ? 1.0 / std::sqrt((elements > 1.0 ? elements : 1.0) * double{max_}) : 1.0;
  }

 private:
  struct Group {
    float inverse, offset, low, high;
  };
  std::vector<Group> ends_;
};

}  // namespace qloom::sdk
