// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/contraction/byte_products.hpp"

#include "host/contraction/contraction_state.hpp"

namespace qloom::contraction {
namespace {

/// Are the primitive's sums exact? Those that stay integers are, and others as float32 numbers are.
bool is_exact(const SlicePrimitive& primitive, double largest_sum) {
  if (largest_sum <= kFloatExact) return true;
  const bool is_wide = primitive.has_wide_sums() && primitive.key().shape.groups == 1;
  return is_wide && largest_sum < 0x1p31 && has_wide_bytes();
}

}  // namespace

std::unique_ptr<ByteProducts> ByteProducts::make(const ContractionShape& shape,
                                                 const std::vector<std::int8_t>& weights,
                                                 double largest_sum) {
  if (!has_exact_bytes()) return nullptr;
  try {
    auto primitive = std::make_unique<SlicePrimitive>(
        PrimitiveKey{.shape = with_batch(shape, shape.batch), .in_bytes = true, .is_wide = true});
    if (!is_exact(*primitive, largest_sum)) return nullptr;
    return std::unique_ptr<ByteProducts>(new ByteProducts(std::move(primitive), weights));
  } catch (const NoPrimitive&) {
    return nullptr;
  }
}

ByteProducts::ByteProducts(std::unique_ptr<SlicePrimitive> primitive,
                           const std::vector<std::int8_t>& weights)
    : primitive_(std::move(primitive)), weights_(weights) {
  const auto size = static_cast<std::int64_t>(primitive_->packed_size());
  primitive_->set_weights(0, weights_.data(), bytes_of(packed_, size));
}
ByteProducts::~ByteProducts() = default;

void ByteProducts::reserve(std::size_t slots) { primitive_->reserve(slots); }

void ByteProducts::run(std::size_t slot, const std::uint8_t* x, std::int32_t* sums) {
  const SingleThread guard;
  primitive_->run(slot, {.left = x, .out = sums});
}

}  // namespace qloom::contraction
