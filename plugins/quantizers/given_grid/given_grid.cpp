// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A uniform grid that is given, not found: the fixed configuration of a network that runs or trains
// with the formats that another run found.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// A number for all groups, or one of each; nothing: the parameter is left out.
class GivenValues {
 public:
  GivenValues(const Params& params, const std::string& name) : name_("/" + name) {
    if (params.is_number(name_.c_str())) {
      values_.push_back(params.number(name_.c_str()));
    } else if (params.has(name_.c_str())) {
      values_.resize(params.size(name_.c_str()));
      for (std::size_t i = 0; i < values_.size(); ++i) {
        values_[i] = params.number((name_ + "/" + std::to_string(i)).c_str());
      }
    }
  }
  [[nodiscard]] bool empty() const { return values_.empty(); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] double at(std::size_t group) const {
    return values_[values_.size() == 1 ? 0 : group];
  }

 private:
  std::string name_;
  std::vector<double> values_;
};

/// code = clamp(round((x - offset) * reciprocal) + zero_point, code_min, code_max)
/// y = offset + scale * (code - zero_point)
/// quotient divide: (x - offset) / scale in place of the product; add_zero_point before:
/// round(t + zero_point), t and the sum in float32 each. Ties then go to even codes, and not to
/// even numbers of steps.
///
/// backward:  dx = dy where the rounded code was not clipped, else 0; ste identity: dx = dy
/// encoding:  affine, one scale and zero point per group
/// errors:    QLOOM_E_INVALID for ends in the wrong order, codes wider than bits, a value that is
///            no finite float32; QLOOM_E_STATE for a list that has not one entry for each group
class GivenGrid : public UniformGrid {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;

  explicit GivenGrid(const Params& params)
      : scales_(params, "scales"),
        zero_points_(params, "zero_points"),
        least_(params, "code_min"),
        most_(params, "code_max"),
        offsets_(params, "offsets"),
        reciprocals_(params, "reciprocals"),
        bits_of_group_(params, "bits_of_group"),
        is_clipped_(params.text("/ste") == "clipped"),
        divides_(params.text("/quotient") == "divide"),
        adds_before_(params.text("/add_zero_point") == "before") {
    const bool is_signed = params.flag("/signed");
    set_codes(params.integer("/bits"), is_signed, is_signed && params.flag("/narrow_range"));
    if (least_.empty() != most_.empty()) {
      throw Error(QLOOM_E_INVALID, "/code_min: expected it with code_max, or neither");
    }
    if (!least_.empty()) take_codes();
    if (min_ >= max_) throw Error(QLOOM_E_INVALID, "/bits: one code is no grid, expected two");
    require_one_length();
    for (std::size_t g = 0; g < count_; ++g) check(grid_of(g), g);
  }

  void prepare(const qloom_prepare& in) {
    if (count_ != 1 && count_ != in.x.groups) {
      throw Error(QLOOM_E_STATE, concat("a list has ", count_, " entries, expected ", in.x.groups,
                                        ", one for each group"));
    }
    resize(in.x.groups);
    widths_.clear();
    for (std::size_t g = 0; g < bits_of_group_.size(); ++g) {
      widths_.push_back(static_cast<float>(bits_of_group_.at(g)));
    }
    for (std::size_t g = 0; g < in.x.groups; ++g) {
      if (offsets_.empty()) {
        store(g, grid_of(g));
      } else {
        set(g, grid_of(g));
      }
    }
  }

  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    if (is_fused()) return UniformGrid::apply(call, block, x, y);
    return apply_by_codes(*this, call, block, x, y);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    if (is_fused()) return UniformGrid::encode(call, block, x, code);
    return for_each_code(call, block, x, [&](std::uint64_t i, std::size_t g, double all) {
      const double least = code_min_[g], most = code_max_[g];
      const double low = all > least ? all : least;  // NaN: the lowest
      code[i] = static_cast<std::int32_t>(low < most ? low : most);
    });
  }

  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double*) const noexcept {
    if (is_clipped_ && is_fused()) return masked_backward(call, block, x, dy, dx);
    if (is_clipped_) {
      return for_each_code(call, block, x, [&](std::uint64_t i, std::size_t g, double code) {
        dx[i] = code_min_[g] <= code && code <= code_max_[g] ? dy[i] : 0.0F;
      });
    }
    pass_through(dy, dx, block.n);
    return QLOOM_OK;
  }

 private:
  /// Do the host's loops do it?
  [[nodiscard]] bool is_fused() const noexcept { return !divides_ && !adds_before_; }

  /// body(i, group, code before it is clamped) for the elements of a block, i from its first one.
  template <class Body>
  qloom_status for_each_code(const qloom_call& call, const qloom_block& block, const float* x,
                             Body body) const noexcept {
    return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t at) {
      std::array<float, kPieceElements> steps, rounded;
      const auto for_each = [&](auto one) {
        for_each_span(piece, [&](std::uint64_t begin, std::uint64_t count, std::uint64_t group,
                                 bool is_columns) {
          for (std::uint64_t k = 0; k < count; ++k) one(begin + k, group + (is_columns ? k : 0));
        });
      };
      for_each([&](std::uint64_t i, std::size_t g) {
        const float above = offset_.empty() ? x[at + i] : x[at + i] - offset_[g];
        steps[i] = divides_ ? above / scale_[g] : above * inv_scale_[g];
        if (adds_before_) steps[i] += static_cast<float>(zero_point_[g]);
      });
      const qloom_status status =
          kernels().round(&call, piece.first, steps.data(), rounded.data(), piece.n);
      if (status != QLOOM_OK) return status;
      for_each([&](std::uint64_t i, std::size_t g) {
        body(at + i, g, double{rounded[i]} + (adds_before_ ? 0.0 : double(zero_point_[g])));
      });
      return status;
    });
  }

  /// The widest of the groups' codes are those of the encoding.
  void take_codes() {
    double low = least_.at(0), high = most_.at(0);
    for (std::size_t g = 1; g < least_.size(); ++g) low = std::min(low, least_.at(g));
    for (std::size_t g = 1; g < most_.size(); ++g) high = std::max(high, most_.at(g));
    if (high - low + 1.0 > std::ldexp(1.0, static_cast<int>(bits_))) {
      throw Error(QLOOM_E_INVALID, concat("/code_max: codes ", low, " to ", high,
                                          " do not fit into ", bits_, " bits"));
    }
    set_codes(bits_, low, high);
  }
  void require_one_length() {
    for (const GivenValues* values :
         {&scales_, &zero_points_, &least_, &most_, &offsets_, &reciprocals_, &bits_of_group_}) {
      if (values->size() < 2) continue;
      if (count_ == 1) count_ = values->size();
      if (values->size() != count_) {
        throw Error(QLOOM_E_INVALID, concat(values->name(), ": ", values->size(),
                                            " entries, another list has ", count_));
      }
    }
  }
  [[nodiscard]] GroupGrid grid_of(std::size_t g) const {
    GroupGrid one{static_cast<float>(scales_.at(g)),
                  1.0F,
                  static_cast<float>(zero_points_.at(g)),
                  0.0F,
                  min_,
                  max_};
    one.inv_scale =
        reciprocals_.empty() ? 1.0F / one.scale : static_cast<float>(reciprocals_.at(g));
    if (!offsets_.empty()) one.offset = static_cast<float>(offsets_.at(g));
    if (!least_.empty()) {
      one.code_min = static_cast<float>(least_.at(g));
      one.code_max = static_cast<float>(most_.at(g));
    }
    return one;
  }
  void check(const GroupGrid& one, std::size_t g) const {
    if (!bits_of_group_.empty()) check_width(one, g);
    if (one.code_min > one.code_max) {
      throw Error(QLOOM_E_INVALID, concat("/code_max: ", one.code_max, " of group ", g,
                                          " is below code_min, ", one.code_min));
    }
    if (!std::isfinite(one.inv_scale) || !std::isfinite(one.value(one.code_min)) ||
        !std::isfinite(one.value(one.code_max))) {
      throw Error(QLOOM_E_INVALID, concat("/scales: ", one.scale, " of group ", g,
                                          ": an end of the grid is no finite float32"));
    }
  }

  void check_width(const GroupGrid& one, std::size_t g) const {
    if (count_ != bits_of_group_.size()) {
      throw Error(QLOOM_E_INVALID, concat("/bits_of_group: ", bits_of_group_.size(),
                                          " entries, expected ", count_, ", one for each group"));
    }
    const double codes = double{one.code_max} - double{one.code_min} + 1.0;
    if (codes <= std::ldexp(1.0, static_cast<int>(bits_of_group_.at(g)))) return;
    throw Error(QLOOM_E_INVALID, concat("/bits_of_group: ", bits_of_group_.at(g), " of group ", g,
                                        " holds fewer than its ", codes, " codes"));
  }

  GivenValues scales_, zero_points_, least_, most_, offsets_, reciprocals_, bits_of_group_;
  std::size_t count_ = 1;  // entries of the lists
  bool is_clipped_, divides_, adds_before_;
};

}  // namespace

QLOOM_METHODS(Quantizer<GivenGrid>)
