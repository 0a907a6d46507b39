// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer codes to and from the form that they have in memory.
#pragma once

#include <cstdint>

#include "host/tensor/coded.hpp"

namespace qloom::kernels {

/// Stores codes[i] - zero. False, and codes without meaning, when one is not in lo .. lo + span.
///
/// shape:   codes is (n), out holds n codes of the form
/// threads: pure
[[nodiscard]] bool store_codes(const std::int32_t* codes, std::int32_t zero, CodeForm form,
                               std::uint8_t* out, std::uint64_t n);

/// out[i] = code[i], exact for magnitudes of at most 2^24.
void load_codes(CodeView codes, float* out, std::uint64_t n);
/// out[i] = code[i] * scale, rounded once.
void load_values(CodeView codes, float scale, float* out, std::uint64_t n);
/// The last byte of code[i] + shift, for codes of one byte.
void load_bytes(CodeView codes, std::int32_t shift, std::uint8_t* out, std::uint64_t n);

}  // namespace qloom::kernels
