// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// One qloom_kernels table per instruction set, and the choice among them.
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "host/kernels/core.hpp"
#include "host/kernels/entries/elementwise.hpp"
#include "host/kernels/entries/extremes.hpp"
#include "host/kernels/entries/products.hpp"
#include "host/kernels/entries/statistics.hpp"
#include "host/kernels/kernels.hpp"
#include "host/kernels/order_statistics.hpp"
#include "host/kernels/reference/accumulate.hpp"
#include "host/kernels/reference/affine.hpp"
#include "host/kernels/reference/extremes.hpp"
#include "host/kernels/reference/minifloat.hpp"
#include "host/kernels/reference/order_statistics.hpp"
#include "host/kernels/reference/reduce.hpp"
#include "host/tensor/error.hpp"

namespace qloom::kernels {
namespace {

constexpr qloom_kernels kScalarTable{
    .struct_size = sizeof(qloom_kernels),
    .isa = static_cast<std::uint32_t>(Isa::kScalar),
    .isa_name = "scalar",
    .affine = &ref::affine,
    .affine_decode = &ref::affine_decode,
    .affine_backward = &ref::affine_backward,
    .clip_backward = &ref::clip_backward,
    .ternary = &ref::ternary,
    .minifloat = &ref::minifloat,
    .minifloat_decode = &ref::minifloat_decode,
    .round = &ref::round,
    .random_u32 = &ref::random_u32,
    .reduce = &ref::reduce,
    .extremes = &ref::extremes,
    .histogram = &ref::histogram,
    .accumulate_integer = &ref::accumulate_integer,
    .accumulate_float = &ref::accumulate_float,
    .order_statistics = &ref::order_statistics,
};

constexpr const char* kNames[] = {"scalar", "sse2", "avx2", "avx512", "neon"};  // by Isa

template <const Core& kCore, Isa kIsa>
constexpr qloom_kernels kTable{
    .struct_size = sizeof(qloom_kernels),
    .isa = static_cast<std::uint32_t>(kIsa),
    .isa_name = kNames[static_cast<std::size_t>(kIsa)],
    .affine = &Elementwise<kCore>::affine,
    .affine_decode = &Elementwise<kCore>::affine_decode,
    .affine_backward = &Elementwise<kCore>::affine_backward,
    .clip_backward = &Elementwise<kCore>::clip_backward,
    .ternary = &Elementwise<kCore>::ternary,
    .minifloat = &Elementwise<kCore>::minifloat,
    .minifloat_decode = &Elementwise<kCore>::minifloat_decode,
    .round = &Elementwise<kCore>::round,
    .random_u32 =
        [](std::uint64_t seed, std::uint64_t stream, std::uint64_t step, std::uint64_t first,
           std::uint32_t* out,
           std::uint64_t n) noexcept { kCore.random_u32(seed, stream, step, first, out, n); },
    .reduce = &Statistics<kCore>::reduce,
    .extremes = &Extremes<kCore>::extremes,
    .histogram = &Statistics<kCore>::histogram,
    .accumulate_integer = &Products<kCore>::accumulate_integer,
    .accumulate_float = &Products<kCore>::accumulate_float,
    .order_statistics =
        [](const qloom_tensor* t, std::uint32_t abs, const std::uint64_t* rank, std::uint64_t count,
           double* out) noexcept { order_statistics(kCore, *t, abs != 0, rank, count, out); },
};

/// An instruction set that this build has.
struct Row {
  Isa isa;
  const qloom_kernels* table;
  /// Does the processor, as the operating system set it up, run it?
  bool (*runs)();
};

constexpr Row kRows[] = {
    // the best one last
    {Isa::kScalar, &kScalarTable, [] { return true; }},
#if defined(__x86_64__)
    {Isa::kSse2, &kTable<kSse2Core, Isa::kSse2>,
     [] { return __builtin_cpu_supports("sse2") != 0; }},
    {Isa::kAvx2, &kTable<kAvx2Core, Isa::kAvx2>,
     [] { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }},
    {Isa::kAvx512, &kTable<kAvx512Core, Isa::kAvx512>,
     [] {
       return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512cd") != 0 &&
              __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
              __builtin_cpu_supports("avx512vl") != 0;
     }},
#elif defined(__aarch64__)
    {Isa::kNeon, &kTable<kNeonCore, Isa::kNeon>, [] { return true; }},  // every such processor
#endif
};

std::string names(const std::vector<Isa>& isas) {
  std::string out;
  for (const Isa isa : isas) out += (out.empty() ? "" : ", ") + std::string(name(isa));
  return out;
}

Isa chosen() {
  const char* const wanted = std::getenv("QLOOM_ISA");
  if (wanted == nullptr || *wanted == '\0') return runnable().back();
  for (const Isa isa : runnable()) {
    if (std::string(name(isa)) == wanted) return isa;
  }
  for (const char* const known : kNames) {
    if (std::string(known) == wanted) {
      throw InputError("QLOOM_ISA: this machine cannot run \"" + std::string(wanted) +
                       "\"; expected one of " + names(runnable()));
    }
  }
  throw InputError("QLOOM_ISA: unknown instruction set \"" + std::string(wanted) +
                   "\"; expected one of " + names(runnable()));
}

}  // namespace

const char* name(Isa isa) { return kNames[static_cast<std::size_t>(isa)]; }

std::vector<Isa> runnable() {
  std::vector<Isa> out;
  for (const Row& row : kRows) {
    if (row.runs()) out.push_back(row.isa);
  }
  return out;
}

const qloom_kernels& table(Isa isa) {
  for (const Row& row : kRows) {
    if (row.isa == isa) return *row.table;
  }
  return kScalarTable;
}

const qloom_kernels& table() {
  static const qloom_kernels& in_use = table(chosen());
  return in_use;
}

}  // namespace qloom::kernels
