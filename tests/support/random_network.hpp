// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Random small networks that have an integer program: contractions, pools, adds and concatenations
// of codes, with requantizers and without, for images of 8 x 8 x 2 and 5 classes.
#pragma once

#include <cstdint>

#include "host/json/json.hpp"

namespace qloom::test {

struct RandomNetwork {
  json::Json model, rules;
};

/// The same network for the same seed.
RandomNetwork random_network(std::uint64_t seed);

}  // namespace qloom::test
