// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Where each tensor of a program lies while model_run works.
#pragma once

#include <cstdint>
#include <vector>

#include "host/program/program.hpp"

namespace qloom::exchange::c {

/// Memory of a tensor.
struct Place {
  enum class Where {
    kInput,   ///< the caller's input
    kOutput,  ///< the caller's memory of that output
    kArena,   ///< from an offset on
    kNone,    ///< sums that go into a map one by one
  };
  Where where = Where::kArena;
  std::int64_t offset = 0;  ///< in the arena. Unit: bytes
};

/// Memory of all tensors. A tensor lives from the operation that writes it to the last that reads
/// it; those that live at the same time share no byte, but for a map or a join that writes over an
/// input element by element.
struct Memory {
  std::vector<int> root;  ///< of each tensor: the one whose memory it has; another behind a reshape
  std::vector<Place> places;     ///< of each tensor that is its own root
  std::int64_t bytes = 0;        ///< size of the arena
  std::int64_t lower_bound = 0;  ///< most bytes that live at one time: no placement needs fewer

  [[nodiscard]] const Place& of(int tensor) const {
    return places[static_cast<std::size_t>(root[static_cast<std::size_t>(tensor)])];
  }
};

/// Alignment of tensors in the arena, and of the arena. Unit: bytes.
inline constexpr std::int64_t kAlignment = 8;

/// Places the largest first, each at the lowest offset that is free while it lives.
[[nodiscard]] Memory plan(const program::Program& program);

/// InputError "arena: ..." for more bytes than a 32-bit machine can address on both sides of a
/// pointer.
void require_addressable(std::int64_t arena);

/// The output that model_run returns: the first that an argmax writes; -1 when none does.
[[nodiscard]] int returned_output(const program::Program& program);

}  // namespace qloom::exchange::c
