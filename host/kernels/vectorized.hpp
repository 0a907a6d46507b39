// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/instruction_sets.hpp>

#include "host/kernels/kernels.hpp"

namespace qloom::kernels {

/// A loop outside the compute core, compiled for each instruction set; runs on that of table().
template <class Loop>
void vectorized(const Loop& loop) noexcept {
  static const std::uint32_t isa = table().isa;
  run_on(isa, loop);
}

}  // namespace qloom::kernels
