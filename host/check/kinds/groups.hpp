// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Which elements the groups of an encoding hold and what its codes stand for: the checker's own
// definition, beside that of the methods.
#pragma once

#include <cstdint>
#include <vector>

#include <qloom/abi.h>

#include "host/json/json.hpp"

namespace qloom::check {

/// The groups of the tensor or, of a method with the parameters `block` and `axis`, these blocks in
/// the order of their first elements.
class EncodingGroups {
 public:
  EncodingGroups() = default;
  EncodingGroups(const json::Json& params, const qloom_tensor& geometry);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t of(std::uint64_t element) const;

 private:
  std::uint64_t count_ = 1, inner_ = 1;
  std::uint64_t block_ = 0, length_ = 1;  ///< blocks of a row of this length; 0: none
};

/// What an importer makes of the codes; empty for kinds other than affine, float, codebook and
/// bases.
[[nodiscard]] std::vector<float> decoded(const qloom_encoding& e, const EncodingGroups& groups,
                                         const std::vector<std::int32_t>& codes);

}  // namespace qloom::check
