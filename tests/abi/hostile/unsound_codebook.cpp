// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer to three learned values; breaks the promise named by its file, see fault.hpp.
#include <vector>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// y = high where x > 1/2, -low where x < -1/2, else 0;  dx = |y| dy, dy where y is 0
class Unsound {
 public:
  static constexpr std::uint64_t kSumsPerGroup = 2;  // d high, d low

  explicit Unsound(const Params&) {}

  void prepare(const qloom_prepare& in) {
    if (high_.empty()) {
      high_.assign(in.x.groups, 1.25F);
      low_.assign(in.x.groups, 0.75F);
    }
    if (high_.size() != in.x.groups || low_.size() != in.x.groups) {
      throw Error(QLOOM_E_INVALID, "other groups than before");
    }
  }
  qloom_status encode(const qloom_call&, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) code[i] = x[i] > 0.5F ? 2 : x[i] < -0.5F ? 0 : 1;
    return QLOOM_OK;
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) {
      const std::uint64_t g = group_of(block, block.first + i);
      y[i] = code[i] == 2 ? high_[g] : code[i] == 0 ? -low_[g] : 0.0F;
    }
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return apply_by_codes(*this, call, block, x, y);
  }
  void backward(const qloom_call&, const qloom_block& block, const float* x, const float* dy,
                float* dx, double* sums) const noexcept {
    const double sign = fault_.is("sign_of_low") ? 1.0 : -1.0;
    for (std::uint64_t i = 0; i < block.n; ++i) {
      const std::uint64_t g = group_of(block, block.first + i), s = 2 * (g - block.group_first);
      const float d = dy[i];
      const bool is_high = x[i] > 0.5F, is_low = x[i] < -0.5F;
      sums[s] += is_high ? double{d} : 0.0;
      sums[s + 1] += is_low ? sign * double{d} : 0.0;
      dx[i] = fault_.is("passes_through") ? d : d * (is_high ? high_[g] : is_low ? low_[g] : 1.0F);
    }
  }
  bool learned(std::uint32_t index, qloom_learned& out) {
    if (index > 1) return false;
    out.name = index == 0 ? "high" : "low";
    out.value = (index == 0 ? high_ : low_).data();
    out.count = high_.size();
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < 2 * groups; ++g) {
      gradients[g % 2][g / 2] = static_cast<float>(sums[g]);
    }
  }
  void encoding(qloom_encoding& out) const {
    codebook_.clear();
    if (fault_.is("tells_other_bases")) return tell_bases(out);
    for (std::size_t g = 0; g < high_.size(); ++g) {
      codebook_.insert(codebook_.end(), {-low_[g], 0.0F, high_[g]});
    }
    if (fault_.is("tells_other_values")) codebook_[0] *= 1.5F;
    out.kind = QLOOM_ENCODING_CODEBOOK;
    out.bits = 2;
    out.groups = high_.size();
    out.codebook = codebook_.data();
    out.codebook_size = 3;
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("high", high_);
    if (!fault_.is("forgets_low")) archive("low", low_);
    if (low_.size() != high_.size()) low_.resize(high_.size(), 0.75F);
  }

 private:
  /// high / 2 -+ low / 2 -+ (high + low) / 2 would be the values of the codes.
  void tell_bases(qloom_encoding& out) const {
    offset_.clear();
    for (std::size_t g = 0; g < high_.size(); ++g) {
      codebook_.insert(codebook_.end(), {low_[g], (high_[g] + low_[g]) / 2.0F});
      offset_.push_back(high_[g] / 2.0F);
    }
    out.kind = QLOOM_ENCODING_BASES;
    out.bits = 2;
    out.bases = 2;
    out.groups = high_.size();
    out.codebook = codebook_.data();
    out.grid.offset = offset_.data();
  }

  Fault fault_;
  std::vector<float> high_, low_;
  mutable std::vector<float> codebook_, offset_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Unsound>)
