// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What all ways of a contraction need before they start: scratch memory and primitives.
#include "host/contraction/contraction_state.hpp"

namespace qloom::contraction {

Contraction::State& Contraction::State::ready() {
  static thread_local Scratch scratch;
  scratch_ = &scratch;
  return *this;
}

void Contraction::State::reserve_areas(std::int64_t left, std::int64_t right, std::int64_t pass) {
  if (scratch_->areas.size() < slot_count()) scratch_->areas.resize(slot_count());
  for (Area& area : scratch_->areas) {
    grown(area.left, left);
    grown(area.right, right);
    grown(area.pass, pass);
  }
}

SlicePrimitive& Contraction::State::primitive(const PrimitiveKey& key) {
  for (const auto& known : primitives_) {
    if (known->key() == key) {
      known->reserve(slot_count());
      return *known;
    }
  }
  primitives_.push_back(std::make_unique<SlicePrimitive>(key));
  primitives_.back()->reserve(slot_count());
  return *primitives_.back();
}

std::array<SlicePrimitive*, 2> Contraction::State::slice_primitives(const PrimitiveKey& whole,
                                                                    const Slices& slices) {
  const auto of = [&](std::int64_t i) {
    PrimitiveKey key = whole;
    key.shape = with_batch(whole.shape, slices.samples(i));
    return &primitive(key);
  };
  return {of(0), of(slices.count - 1)};
}

}  // namespace qloom::contraction
