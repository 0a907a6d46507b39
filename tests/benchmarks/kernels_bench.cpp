// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The compute core on every instruction set beside its scalar definition and memcpy. Sizes: inside
// L1, inside L2, larger than the last cache, and an awkward length. Run with
// --benchmark_format=json; items_per_second are elements (or products), bytes those moved.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "host/kernels/kernels.hpp"
#include "host/tensor/parallel.hpp"
#include "host/tensor/random.hpp"

namespace qloom::kernels {
namespace {

constexpr std::int64_t kSizes[] = {4096, 131072, 33554432, 99991};

/// Inputs and outputs of one size; x changes between repeats by its starting point.
struct Buffers {
  explicit Buffers(std::size_t n) : x(n + kShifts), y(n), code(n) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = 8.0F * uniform(static_cast<std::uint32_t>(i * 2654435761U)) - 4.0F;
    }
  }
  static constexpr std::size_t kShifts = 16;
  std::vector<float> x, y;
  std::vector<std::int32_t> code;
};

qloom_call call_with(std::uint32_t rule, std::uint32_t argument) {
  qloom_call call{};
  call.struct_size = sizeof(call);
  call.seed = 1;
  call.rounding.rule = rule;
  call.rounding.argument = argument;
  return call;
}

using Body = std::function<void(const qloom_kernels&, Buffers&, std::size_t shift,
                                std::size_t first, std::size_t n)>;

/// body on blocks of 16 tiles, on all threads.
void run(benchmark::State& state, const qloom_kernels& kernels, const Body& body,
         std::int64_t bytes_per_element) {
  const auto n = static_cast<std::size_t>(state.range(0));
  Buffers buffers(n);
  std::size_t shift = 0;
  for (auto _ : state) {
    constexpr std::size_t kBlock = 16 * kTileElements;
    for_each((n + kBlock - 1) / kBlock, [&](std::uint64_t b) {
      body(kernels, buffers, shift, b * kBlock, std::min(kBlock, n - b * kBlock));
    });
    shift = (shift + 1) % Buffers::kShifts;
    benchmark::DoNotOptimize(buffers.y.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * bytes_per_element);
}

Body affine(std::uint32_t rule, std::uint32_t argument, std::uint64_t groups) {
  return [=](const qloom_kernels& k, Buffers& b, std::size_t shift, std::size_t first,
             std::size_t n) {
    static const std::vector<float> scale(512, 0.1F), inverse(512, 10.0F);
    static const std::vector<std::int32_t> zero(512, 0), lo(512, -31), hi(512, 31);
    const qloom_grid grid{scale.data(), inverse.data(), nullptr, zero.data(), lo.data(), hi.data()};
    const qloom_block block{first, n, groups, groups == 1 ? b.y.size() : 1, 0, groups};
    const qloom_call call = call_with(rule, argument);
    k.affine(&call, &grid, &block, b.x.data() + shift + first, b.y.data() + first, nullptr);
  };
}

void copy(const qloom_kernels&, Buffers& b, std::size_t shift, std::size_t first, std::size_t n) {
  std::memcpy(b.y.data() + first, b.x.data() + shift + first, n * sizeof(float));
}

void minifloat(const qloom_kernels& k, Buffers& b, std::size_t shift, std::size_t first,
               std::size_t n) {
  const qloom_float_format e4m3{4, 3, 7, QLOOM_SPECIALS_FN, 1, 1};
  const qloom_block block{first, n, 1, b.y.size(), 0, 1};
  const qloom_call call = call_with(QLOOM_ROUND_NEAREST_EVEN, 0);
  k.minifloat(&call, &e4m3, &block, b.x.data() + shift + first, b.y.data() + first, nullptr);
}

void random_words(const qloom_kernels& k, Buffers& b, std::size_t shift, std::size_t first,
                  std::size_t n) {
  k.random_u32(shift, 2, 3, first, reinterpret_cast<std::uint32_t*>(b.code.data()) + first, n);
}

/// A figure of the whole tensor, in one group or per channel of 64.
void reduce(benchmark::State& state, const qloom_kernels& kernels, std::uint32_t figure,
            std::uint64_t groups) {
  const auto n = static_cast<std::size_t>(state.range(0)) / groups * groups;
  const Buffers buffers(n);
  std::vector<double> out(groups), center(groups, 0.5);
  std::size_t shift = 0;
  for (auto _ : state) {
    const qloom_tensor t{buffers.x.data() + shift, nullptr, 0, n, n / groups, groups, 1};
    const qloom_tensor one{t.data, nullptr, 0, n, 1, 1, n};
    kernels.reduce(groups == 1 ? &one : &t, figure, center.data(), out.data());
    benchmark::DoNotOptimize(out.data());
    shift = (shift + 1) % Buffers::kShifts;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(n * sizeof(float)));
}

void histogram(benchmark::State& state, const qloom_kernels& kernels, std::uint64_t groups) {
  const auto n = static_cast<std::size_t>(state.range(0)) / groups * groups;
  const Buffers buffers(n);
  const std::vector<double> lo(groups, -4.0), hi(groups, 4.0);
  std::vector<std::uint64_t> counts(groups * 2048);
  const std::uint64_t inner = groups == 1 ? n : 1;
  const qloom_tensor t{buffers.x.data(), nullptr, 0, n, n / groups / inner, groups, inner};
  for (auto _ : state) {
    kernels.histogram(&t, lo.data(), hi.data(), 2048, 0, counts.data());
    benchmark::DoNotOptimize(counts.data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
}

/// One tile of 64 x 64 results with 576 products each, on one thread.
void accumulate(benchmark::State& state, const qloom_kernels& kernels, std::uint32_t width,
                std::uint32_t rule) {
  constexpr std::uint64_t kM = 64, kN = 64, kK = 576;
  std::vector<float> a(kM * kK), b(kK * kN);
  std::vector<double> c(kM * kN);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i * 31 % 15) - 7.0F;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i * 37 % 255) - 127.0F;
  const qloom_tile tile{a.data(), b.data(), c.data(), kK, kN, kN, kM, kN, kK, 0, kN};
  const qloom_float_format format{6, 9, 31, QLOOM_SPECIALS_IEEE, 1, 0};
  const qloom_call call = call_with(rule, rule == QLOOM_ROUND_STOCHASTIC ? 16 : 0);
  std::uint64_t overflows = 0;
  for (auto _ : state) {
    if (width > 0)
      kernels.accumulate_integer(&tile, width, 0, &overflows);
    else
      kernels.accumulate_float(&call, &tile, &format, 64, &overflows);
    benchmark::DoNotOptimize(c.data());
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kM * kN * kK));
}

template <class Function>
void at_sizes(const std::string& label, const Function& function) {
  auto* const bench = benchmark::RegisterBenchmark(label.c_str(), function);
  for (const std::int64_t size : kSizes) bench->Arg(size);
  bench->UseRealTime();
}

void register_isa(Isa isa) {
  const qloom_kernels& k = table(isa);
  const std::string suffix = std::string("/") + name(isa);
  const auto elementwise = [&](const std::string& label, const Body& body, std::int64_t bytes) {
    at_sizes(label + suffix, [&k, body, bytes](benchmark::State& s) { run(s, k, body, bytes); });
  };
  elementwise("affine_nearest_even", affine(QLOOM_ROUND_NEAREST_EVEN, 0, 1), 8);
  elementwise("affine_stochastic16", affine(QLOOM_ROUND_STOCHASTIC, 16, 1), 8);
  elementwise("affine_per_channel_64", affine(QLOOM_ROUND_NEAREST_EVEN, 0, 64), 8);
  elementwise("affine_per_channel_3", affine(QLOOM_ROUND_NEAREST_EVEN, 0, 3), 8);
  elementwise("minifloat_e4m3", minifloat, 8);
  elementwise("random_u32", random_words, 4);
  const auto figure = [&](const std::string& label, std::uint32_t f, std::uint64_t groups) {
    at_sizes(label + suffix, [&k, f, groups](benchmark::State& s) { reduce(s, k, f, groups); });
  };
  figure("reduce_sum", QLOOM_REDUCE_SUM, 1);
  figure("reduce_abs_max", QLOOM_REDUCE_ABS_MAX, 1);
  figure("reduce_sum_per_channel_64", QLOOM_REDUCE_SUM, 64);
  figure("reduce_sum_per_channel_3", QLOOM_REDUCE_SUM, 3);
  at_sizes("histogram" + suffix, [&k](benchmark::State& s) { histogram(s, k, 1); });
  at_sizes("histogram_per_channel_64" + suffix, [&k](benchmark::State& s) { histogram(s, k, 64); });
  const auto dot = [&](const std::string& label, std::uint32_t width, std::uint32_t rule) {
    benchmark::RegisterBenchmark((label + suffix).c_str(), [&k, width, rule](benchmark::State& s) {
      accumulate(s, k, width, rule);
    });
  };
  dot("accumulate_integer_16", 16, 0);
  dot("accumulate_integer_32", 32, 0);
  dot("accumulate_e6m9_nearest_even", 0, QLOOM_ROUND_NEAREST_EVEN);
  dot("accumulate_e6m9_stochastic16", 0, QLOOM_ROUND_STOCHASTIC);
}

}  // namespace
}  // namespace qloom::kernels

int main(int argc, char** argv) {
  using namespace qloom::kernels;
  benchmark::Initialize(&argc, argv);
  at_sizes("memcpy", [](benchmark::State& s) { run(s, table(Isa::kScalar), copy, 8); });
  for (const Isa isa : runnable()) register_isa(isa);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
