// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/registry.hpp"

namespace qloom::registry {

const char* version() { return QLOOM_VERSION; }

}  // namespace qloom::registry
