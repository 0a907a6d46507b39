// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Values that `qloom apply --given` puts in place of those that a method would find.
#pragma once

#include <string>
#include <vector>

#include "host/json/json.hpp"

namespace qloom::cli {

/// An object of names; each value is a number for all of what the name stands for, or one for each.
class Given {
 public:
  Given() = default;
  /// A file, or inline JSON. InputError unless it is an object.
  explicit Given(const std::string& file_or_json);

  [[nodiscard]] bool empty() const { return values_.empty(); }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  /// `count` finite numbers; `pointer` such as "/range/lo" must be there or is refused.
  [[nodiscard]] std::vector<double> numbers(const std::string& pointer, std::size_t count) const;
  /// InputError with the nearest name for one that is not in `known`; `pointer` names the object.
  void require_known(const std::vector<std::string>& known, const std::string& pointer = "") const;
  /// "GIVEN: /scale: 0" and what was expected in its place.
  [[noreturn]] void refuse(const std::string& pointer, const std::string& expected) const;

 private:
  std::string name_ = "--given";
  json::Json values_ = json::Json::object();
};

}  // namespace qloom::cli
