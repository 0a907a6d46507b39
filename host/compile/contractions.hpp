// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolutions and dense layers of codes as operations of the program.
#pragma once

#include <cstddef>
#include <optional>

#include "host/compile/draft.hpp"

namespace qloom::compile {

/// The sums of the products of `input` with all weights of a contraction, or with those of one of
/// its planes. -1, refused, where there are none.
int add_products(Draft& draft, const Node& node, int input,
                 const contraction::AccumulatorRef& accumulator, std::optional<std::size_t> plane);

}  // namespace qloom::compile
