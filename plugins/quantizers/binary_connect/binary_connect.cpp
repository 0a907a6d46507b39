// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// BinaryConnect (Courbariaux, Bengio, David, 2015): binary weights with real latent ones.
#include <cmath>
#include <vector>

#include <qloom/grids/sign_grid.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// The magnitude H: a number, or Glorot and Bengio's bound sqrt(1.5 / (fan_in + fan_out)) of a
/// weight of shape (outputs, ..., inputs), where a fan includes the kernel's area.
class Magnitude {
 public:
  explicit Magnitude(const Params& params) : fixed_(params.number_or("/magnitude", 0.0)) {}

  [[nodiscard]] float of(const qloom_tensor& x) const {
    if (fixed_ > 0 || x.n == 0) return static_cast<float>(fixed_);
    const auto n = static_cast<double>(x.n);
    const auto outputs = static_cast<double>(x.shape[0]);
    const auto inputs = static_cast<double>(x.shape[x.rank - 1]);
    return static_cast<float>(std::sqrt(1.5 / (n / outputs + n / inputs)));
  }

 private:
  double fixed_;  // 0: Glorot's
};

/// y = H where w >= 0, else -H. The gradient passes unchanged.
class Deterministic : public SignGrid {
 public:
  static bool accepts(const Params& params) { return !params.flag("/stochastic"); }
  explicit Deterministic(const Params& params) : h_(params) {}

  void prepare(const qloom_prepare& in) {
    set_magnitudes(std::vector<float>(in.x.groups, h_.of(in.x)));
  }

 private:
  Magnitude h_;
};

/// Training: y = H with the probability clip((w / H + 1) / 2, 0, 1), else -H. Evaluation: y = w, as
/// the paper does it; so there are no codes. The gradient passes unchanged.
class Stochastic : private SignGrid {
 public:
  static bool accepts(const Params& params) { return !Deterministic::accepts(params); }
  explicit Stochastic(const Params& params) : h_(params) {}

  void prepare(const qloom_prepare& in) {
    set_magnitudes(std::vector<float>(in.x.groups, h_.of(in.x)));
  }
  void apply(const qloom_call& call, const qloom_block& block, const float* x,
             float* y) const noexcept {
    if (call.training == 0) return pass_through(x, y, block.n);
    for_each_piece(block, [&](const qloom_block& piece, std::uint64_t first) {
      std::int32_t code[kPieceElements];
      encode_random(call, piece, x + first, code);
      decode(piece, code, y + first);
    });
  }

 private:
  Magnitude h_;
};

}  // namespace

QLOOM_METHODS(QuantizerVariants<Deterministic, Stochastic>)
