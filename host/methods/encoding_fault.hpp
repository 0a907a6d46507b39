// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What is wrong with an encoding that a quantizer gives: found before anybody reads its arrays.
#pragma once

#include <cstdint>
#include <string>

#include <qloom/abi.h>

#include "host/json/json.hpp"

namespace qloom::methods {

/// How many groups an encoding may have.
class EncodedGroups {
 public:
  EncodedGroups() = default;  ///< of a tensor that is not known: any number
  /// Of a tensor whose geometry the method was told. blocks: null, or block and axis of a method
  /// that cuts blocks itself.
  EncodedGroups(const qloom_tensor& geometry, const json::Json& blocks);

  [[nodiscard]] bool allow(const qloom_encoding& e) const;
  [[nodiscard]] std::string expected() const;

 private:
  bool is_known_ = false;
  std::uint64_t count_ = 0;
  std::uint64_t outputs_ = 0;  ///< may stand for the one group of a tensor: its first axis; 0: not
};

/// "<field> is <value>, expected <what>"; empty for an encoding that keeps the header's rules.
/// Reads each array once and none that it has not found to be there.
[[nodiscard]] std::string fault_of(const qloom_encoding& e, const EncodedGroups& groups);

}  // namespace qloom::methods
