// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <fmt/format.h>

#include "host/json/printable.hpp"
#include "host/network/model.hpp"
#include "host/registry/call_record.hpp"
#include "host/tensor/error.hpp"

namespace qloom::network {

/// Runs one contraction of a layer; what it refuses is reported with its place.
template <class Body>
void at_contraction(const char* role, const Layer& layer, Body&& body) try {
  body();
  registry::require_floating_point();
} catch (const RunError& error) {
  throw RunError(fmt::format("{} of \"{}\": {}", role, layer.name, json::printable(error.what())));
}

}  // namespace qloom::network
