// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What this floor calls by its bare name of those below.
#pragma once

#include "host/contraction/contraction.hpp"
#include "host/sites/placement.hpp"

namespace qloom::network {

using contraction::AccumulatorRef;
using contraction::Contraction;
using contraction::ContractionShape;
using contraction::Operand;
using sites::AccumulatorSpec;
using sites::LearnedParameter;
using sites::MethodSpec;
using sites::Phase;
using sites::Placement;
using sites::QuantizerSpec;
using sites::SiteContext;
using sites::SiteKey;
using sites::SiteQuantizer;
using sites::SiteState;
using sites::TrainingLength;

}  // namespace qloom::network
