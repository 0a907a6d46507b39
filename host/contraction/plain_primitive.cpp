// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What slice_primitive.hpp promises, in plain loops, for a build without oneDNN (preset tsan):
// float32 sums in the order of the loops, no products of bytes.
#include <algorithm>
#include <vector>

#include "host/contraction/slice_primitive.hpp"
#include "host/tensor/error.hpp"

namespace qloom::contraction {

class SlicePrimitive::Made {
 public:
  explicit Made(const PrimitiveKey& key) : key_(key) {
    if (key.in_bytes) throw NoPrimitive("this build has no products of bytes");
  }

  [[nodiscard]] const PrimitiveKey& key() const { return key_; }
  void set_weights(std::size_t index, const void* plain) {
    if (weights_.size() <= index) weights_.resize(index + 1);
    weights_[index] = static_cast<const float*>(plain);
  }
  void run(const Call& call) const;

 private:
  /// body(x, w, y) for the products of the convolution: their places in the three arrays.
  template <class Body>
  void for_each_product(const Body& body) const;

  PrimitiveKey key_;
  std::vector<const float*> weights_;
};

template <class Body>
void SlicePrimitive::Made::for_each_product(const Body& body) const {
  const ContractionShape& s = key_.shape;
  const std::int64_t group_in = s.in_c / s.groups, group_out = s.out_c / s.groups;
  std::int64_t y = 0;
  for (std::int64_t n = 0; n < s.batch; ++n) {
    for (std::int64_t pixel = 0; pixel < s.out_h() * s.out_w(); ++pixel) {
      const std::int64_t top = pixel / s.out_w() * s.stride_h - s.pad_top;
      const std::int64_t left = pixel % s.out_w() * s.stride_w - s.pad_left;
      for (std::int64_t o = 0; o < s.out_c; ++o, ++y) {
        for (std::int64_t place = 0; place < s.kernel_h * s.kernel_w; ++place) {
          const std::int64_t h = top + place / s.kernel_w * s.dilation_h;
          const std::int64_t w = left + place % s.kernel_w * s.dilation_w;
          if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
          const std::int64_t x =
              ((n * s.in_h + h) * s.in_w + w) * s.in_c + o / group_out * group_in;
          const std::int64_t k = (o * s.kernel_h * s.kernel_w + place) * group_in;
          for (std::int64_t c = 0; c < group_in; ++c) body(x + c, k + c, y);
        }
      }
    }
  }
}

void SlicePrimitive::Made::run(const Call& call) const {
  const ContractionShape& s = key_.shape;
  const auto* const left = static_cast<const float*>(call.left);
  const auto* const right = static_cast<const float*>(call.right);
  auto* const out = static_cast<float*>(call.out);
  const float* const weights = weights_.empty() ? nullptr : weights_[call.weights];
  switch (key_.role) {
    case Role::kForward:
      for (std::int64_t i = 0; i < s.y_size(); ++i) {
        out[i] = key_.has_bias ? call.bias[i % s.out_c] : 0.0F;
      }
      return for_each_product([=](auto x, auto w, auto y) { out[y] += left[x] * weights[w]; });
    case Role::kInputGradient:
      std::fill_n(out, s.x_size(), 0.0F);
      return for_each_product([=](auto x, auto w, auto y) { out[x] += left[y] * weights[w]; });
    case Role::kWeightGradient:
      std::fill_n(out, s.w_size(), 0.0F);
      return for_each_product([=](auto x, auto w, auto y) { out[w] += left[x] * right[y]; });
    case Role::kDenseWeightGradient:
      std::fill_n(out, s.out_c * s.in_c, 0.0F);
      for (std::int64_t n = 0; n < s.batch; ++n) {
        for (std::int64_t m = 0; m < s.out_c; ++m) {
          for (std::int64_t i = 0; i < s.in_c; ++i) {
            out[m * s.in_c + i] += right[n * key_.row_pitch + m] * left[n * s.in_c + i];
          }
        }
      }
  }
}

SlicePrimitive::SlicePrimitive(const PrimitiveKey& key) : made_(std::make_unique<Made>(key)) {}
SlicePrimitive::~SlicePrimitive() = default;
const PrimitiveKey& SlicePrimitive::key() const { return made_->key(); }
bool SlicePrimitive::has_wide_sums() const { return false; }
void SlicePrimitive::reserve(std::size_t) {}
std::size_t SlicePrimitive::packed_size() const { return 0; }
void SlicePrimitive::set_weights(std::size_t index, const void* plain, void*) {
  made_->set_weights(index, plain);
}
void SlicePrimitive::run(std::size_t, const Call& call) { made_->run(call); }

bool has_exact_bytes() { return false; }

void multiply_bytes(std::int64_t, std::int64_t, std::int64_t, const void*, const void*,
                    std::int64_t, std::int32_t, bool, std::int32_t*) {
  throw RunError("products of bytes in a build without oneDNN");
}

}  // namespace qloom::contraction
