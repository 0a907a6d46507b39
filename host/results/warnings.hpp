// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <functional>
#include <utility>

#include "host/registry/registry.hpp"
#include "host/tensor/warning.hpp"

namespace qloom::results {

inline constexpr const char* kWarningMark = "qloom: warning: ";

/// One line on standard error: "qloom: warning: <where>: <what>".
void print_warning(const Warning& warning);

/// The warnings of one run, or of several that share them: each is told once and listed.
class Warnings {
 public:
  using Tell = std::function<void(const Warning&)>;
  explicit Warnings(Tell tell = print_warning) : tell_(std::move(tell)) {}

  /// Tells and lists the warning unless it is listed already.
  void add(const Warning& warning);
  /// Lists what a checkpoint says was told before; what was added since follows it.
  void restore(const json::Json& list);
  /// As report.schema.json describes "warnings".
  [[nodiscard]] const json::Json& list() const { return list_; }

 private:
  Tell tell_;
  json::Json list_ = json::Json::array();
};

}  // namespace qloom::results
