// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The compute core as the rest of the host and, through the service "qloom.kernels/1", the plugins
// see it. reference/ holds the definition of every entry.
#pragma once

#include <string>
#include <vector>

#include <qloom/abi.h>

namespace qloom::kernels {

enum class Isa {
  kScalar = QLOOM_ISA_SCALAR,
  kSse2 = QLOOM_ISA_SSE2,
  kAvx2 = QLOOM_ISA_AVX2,
  kAvx512 = QLOOM_ISA_AVX512,
  kNeon = QLOOM_ISA_NEON
};

[[nodiscard]] const char* name(Isa isa);

/// Instruction sets this build has and this machine runs, scalar first.
[[nodiscard]] std::vector<Isa> runnable();

/// The table of one instruction set; only for those in runnable().
[[nodiscard]] const qloom_kernels& table(Isa isa);

/// The table in use: the best runnable one, or the one QLOOM_ISA names. Decided at the first call;
/// throws InputError when QLOOM_ISA is no known name or the machine cannot run it.
[[nodiscard]] const qloom_kernels& table();

}  // namespace qloom::kernels
