// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include "host/registry/registry.hpp"
#include "host/tensor/warning.hpp"

namespace qloom::experiment {

/// The warnings of one run: each is printed once, on standard error, and listed in the report.
class Warnings {
 public:
  /// Prints and lists the warning unless it is listed already.
  void add(const Warning& warning);
  /// Lists what a checkpoint says was printed before; what was added since follows it.
  void restore(const registry::Json& list);
  /// As report.schema.json describes "warnings".
  [[nodiscard]] const registry::Json& list() const { return list_; }

 private:
  registry::Json list_ = registry::Json::array();
};

}  // namespace qloom::experiment
