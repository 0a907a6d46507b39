// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the machine can do at all: copying, reading, a loop over three streams, fused
// multiply-adds. Each thread has one contiguous share.
#include <immintrin.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include <omp.h>

#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

/// body(first, n) on each thread, shares of whole cache lines.
template <class Body>
void on_shares(std::size_t n, const Body& body) {
#pragma omp parallel
  {
    const auto threads = static_cast<std::size_t>(omp_get_num_threads());
    const std::size_t share = (n / threads + 15) / 16 * 16;
    const std::size_t first = std::min(n, share * static_cast<std::size_t>(omp_get_thread_num()));
    body(first, std::min(share, n - first));
  }
}

/// All bits of the elements ORed together: nothing but reading.
__attribute__((target("avx2"))) std::uint64_t read_all(const float* x, std::size_t n) {
  __m256i sum[4];
  for (auto& s : sum) s = _mm256_setzero_si256();
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (std::size_t j = 0; j < 4; ++j) {
      const auto* p = reinterpret_cast<const __m256i*>(x + i + 8 * j);
      sum[j] = _mm256_or_si256(sum[j], _mm256_loadu_si256(p));
    }
  }
  const __m256i both =
      _mm256_or_si256(_mm256_or_si256(sum[0], sum[1]), _mm256_or_si256(sum[2], sum[3]));
  return static_cast<std::uint64_t>(_mm256_extract_epi64(both, 0)) + (i < n ? 1 : 0);
}

/// c = a + 3 b; past the caches with stores that do not read the line first. c: 32-byte aligned.
__attribute__((target("avx2"))) void triad(const float* a, const float* b, float* c, std::size_t n,
                                           bool streams) {
  const __m256 factor = _mm256_set1_ps(3.0F);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 sum =
        _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_mul_ps(factor, _mm256_loadu_ps(b + i)));
    if (streams)
      _mm256_stream_ps(c + i, sum);
    else
      _mm256_store_ps(c + i, sum);
  }
  for (; i < n; ++i) c[i] = a[i] + 3.0F * b[i];
  _mm_sfence();
}

constexpr int kRounds = 100000;
constexpr int kChains = 12;  // independent sums: cover the latency of two units

/// The loops over the sums are unrolled, so that each sum stays in a register: kRounds rounds of
/// kChains independent fused multiply-adds of 16 floats.
__attribute__((target("avx512f"))) float fma_512() {
  __m512 sum[kChains];
#pragma GCC unroll 12
  for (int j = 0; j < kChains; ++j) sum[j] = _mm512_setzero_ps();
  const __m512 a = _mm512_set1_ps(0.5F), b = _mm512_set1_ps(1.0F);
  for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) {
      sum[j] = _mm512_fmadd_ps(sum[j], a, b);
      asm volatile("" : "+v"(sum[j]));  // in this order, no sum left out
    }
  }
  float all = 0;
#pragma GCC unroll 12
  for (int j = 0; j < kChains; ++j) all += _mm512_cvtss_f32(sum[j]);
  return all;
}

__attribute__((target("avx2,fma"))) float fma_256() {
  __m256 sum[kChains];
#pragma GCC unroll 12
  for (int j = 0; j < kChains; ++j) sum[j] = _mm256_setzero_ps();
  const __m256 a = _mm256_set1_ps(0.5F), b = _mm256_set1_ps(1.0F);
  for (int i = 0; i < 2 * kRounds; ++i) {
#pragma GCC unroll 12
    for (int j = 0; j < kChains; ++j) {
      sum[j] = _mm256_fmadd_ps(sum[j], a, b);
      asm volatile("" : "+x"(sum[j]));  // in this order, no sum left out
    }
  }
  float all = 0;
#pragma GCC unroll 12
  for (int j = 0; j < kChains; ++j) all += _mm256_cvtss_f32(sum[j]);
  return all;
}

Case fma_peak(const Json& params) {
  const bool wide = params.value("bits", 512) == 512 && __builtin_cpu_supports("avx512f");
  const int threads = params.at("threads").get<int>();
  const auto run = [wide] {
#pragma omp parallel
    {
      volatile float kept = wide ? fma_512() : fma_256();
      (void)kept;
    }
  };
  return {run, 16.0 * kChains * kRounds * threads};
}

Case copy(const Json& params) {
  auto x = std::make_shared<Tensor>(read_array(params));
  auto y = std::make_shared<Tensor>(x->shape());
  const auto run = [x, y] {
    on_shares(x->size(), [&](std::size_t first, std::size_t n) {
      if (n > 0) std::memcpy(y->data() + first, x->data() + first, n * sizeof(float));
    });
  };
  return {run, static_cast<double>(x->size())};
}

Case read(const Json& params) {
  auto x = std::make_shared<Tensor>(read_array(params));
  const auto run = [x] {
    on_shares(x->size(), [&](std::size_t first, std::size_t n) {
      volatile std::uint64_t kept = read_all(x->data() + first, n);
      (void)kept;
    });
  };
  return {run, static_cast<double>(x->size())};
}

Case three_streams(const Json& params) {
  auto a = std::make_shared<Tensor>(read_array(params));
  auto b = std::make_shared<Tensor>(read_array(params));
  auto c = std::make_shared<Tensor>(a->shape());
  constexpr std::size_t kLarge = 1 << 21;  // three of them are above 24 MiB
  const auto run = [a, b, c] {
    on_shares(a->size(), [&](std::size_t first, std::size_t n) {
      triad(a->data() + first, b->data() + first, c->data() + first, n, a->size() > kLarge);
    });
  };
  return {run, static_cast<double>(a->size())};
}

}  // namespace

void add_limits(Cases& cases) {
  cases["memcpy"] = copy;
  cases["read"] = read;
  cases["triad"] = three_streams;
  cases["fma_peak"] = fma_peak;
}

}  // namespace qloom::bench
