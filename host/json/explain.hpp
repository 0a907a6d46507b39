// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What is wrong with a JSON value, in words built from the schema at that place. valijson gives the
// verdict (validate.cpp); this finds the place and says it.
#pragma once

#include <optional>
#include <string>

#include "host/json/json.hpp"

namespace qloom::json {

struct Finding {
  std::string pointer;  ///< JSON pointer of the place, below the checked value
  std::string text;     ///< for instance: 17 is above the maximum 16
};

/// Knows the draft-07 keywords but "format"; "$ref" within `root` only.
class Explainer {
 public:
  explicit Explainer(const Json& root) : root_(root) {}

  /// The first thing wrong with `value`, or nothing.
  [[nodiscard]] std::optional<Finding> find(const Json& schema, const Json& value,
                                            const std::string& pointer = "") const;
  [[nodiscard]] bool matches(const Json& schema, const Json& value) const {
    return !find(schema, value);
  }
  /// What the schema allows: "an integer from 1 to 16", "one of \"tensor\", \"channel\"".
  [[nodiscard]] std::string expected(const Json& schema, int levels = 4) const;
  /// The schema itself, or what its "$ref" names.
  [[nodiscard]] const Json& resolve(const Json& schema) const;

 private:
  using Result = std::optional<Finding>;
  [[nodiscard]] Result check_scalar(const Json& s, const Json& v, const std::string& at) const;
  [[nodiscard]] Result check_number(const Json& s, const Json& v, const std::string& at) const;
  [[nodiscard]] Result check_string(const Json& s, const Json& v, const std::string& at) const;
  [[nodiscard]] Result check_object(const Json& s, const Json& v, const std::string& at) const;
  [[nodiscard]] Result check_member(const Json& s, const std::string& key, const Json& v,
                                    const std::string& at) const;
  [[nodiscard]] Result check_array(const Json& s, const Json& v, const std::string& at) const;
  [[nodiscard]] Result check_combined(const Json& s, const Json& v, const std::string& at) const;
  [[nodiscard]] Result check_branches(const Json& branches, bool exactly_one, const Json& v,
                                      const std::string& at) const;
  [[nodiscard]] std::string expected_number(const Json& s, const std::string& noun) const;

  const Json& root_;
};

/// A value as text, cut after some 80 characters.
[[nodiscard]] std::string shown(const Json& value);

}  // namespace qloom::json
