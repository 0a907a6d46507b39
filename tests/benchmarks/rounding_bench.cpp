// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Rounding outside the fused rules beside a fused one, in one run: nearest_up (a rule of the
// kernels), the same as a method that does not lower, and nearest_even, fused. One thread, the
// instruction set in use. Every round times all three in turn, so that a busy machine slows all of
// them. Prints JSON; times are medians of processor time in nanoseconds per element, "x_fused" is
// the median over the rounds of fused / other: about 0.5 is wanted. The last row: accumulate_float
// under the method, times as fast as the definition.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <qloom/instruction_sets.hpp>

#include "host/kernels/kernels.hpp"
#include "host/tensor/random.hpp"

namespace qloom::kernels {
namespace {

/// floor(x + 1/2) as a plugin would write it.
qloom_status round_up(const void*, const qloom_call*, std::uint64_t, const float* x, float* y,
                      std::uint64_t n) noexcept {
  run_on(table().isa, [=] {
    for (std::uint64_t i = 0; i < n; ++i) {
      const float down = std::floor(x[i]);
      y[i] = down + (x[i] - down >= 0.5F ? 1.0F : 0.0F);
    }
  });
  return QLOOM_OK;
}
constexpr qloom_rounding kMethod{sizeof(qloom_rounding), QLOOM_ROUNDING_DRAWS_NOTHING, &round_up,
                                 nullptr};

const qloom_rounding_ref kFused{nullptr, nullptr, QLOOM_ROUND_NEAREST_EVEN, 0};
const qloom_rounding_ref kRule{nullptr, nullptr, QLOOM_ROUND_NEAREST_UP, 0};
const qloom_rounding_ref kThirdParty{&kMethod, &kMethod, QLOOM_ROUND_GENERIC, 0};

/// Work of one kernel on n elements under a rounding.
struct Case {
  std::string name;
  std::uint64_t n;
  std::function<void(const qloom_kernels&, const qloom_call&)> body;
};

struct Buffers {
  explicit Buffers(std::uint64_t n) : x(n), y(n) {
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = 8.0F * uniform(random_word(1, 2, 3, i)) - 4.0F;
  }
  std::vector<float> x, y;
};

/// Of this thread.
double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds(const Case& c, const qloom_kernels& k, const qloom_rounding_ref& rounding) {
  qloom_call call{};
  call.struct_size = sizeof call;
  call.rounding = rounding;
  const std::uint64_t repeats = std::max<std::uint64_t>(1, 2000000 / c.n);
  const double start = processor_seconds();
  for (std::uint64_t i = 0; i < repeats; ++i) c.body(k, call);
  return (processor_seconds() - start) / static_cast<double>(repeats);
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2), v.end());
  return v[v.size() / 2];
}

/// groups: channels side by side, or runs of `inner` elements each.
Case affine(const std::string& name, std::uint64_t n, std::uint64_t groups, std::uint64_t inner,
            bool backward) {
  return {name, n,
          [=, b = std::make_shared<Buffers>(n)](const qloom_kernels& k, const qloom_call& call) {
            static const std::vector<float> scale(512, 0.1F), inverse(512, 10.0F);
            static const std::vector<std::int32_t> zero(512, 0), lo(512, -31), hi(512, 31);
            qloom_grid grid{};
            grid.scale = scale.data();
            grid.inv_scale = inverse.data();
            grid.zero_point = zero.data();
            grid.code_min = lo.data();
            grid.code_max = hi.data();
            const qloom_block block{0, n, groups, inner, 0, groups};
            if (backward)
              k.affine_backward(&call, &grid, &block, b->x.data(), b->x.data(), b->y.data());
            else
              k.affine(&call, &grid, &block, b->x.data(), b->y.data(), nullptr);
          }};
}

Case minifloat(const std::string& name, std::uint64_t n) {
  return {name, n,
          [=, b = std::make_shared<Buffers>(n)](const qloom_kernels& k, const qloom_call& call) {
            const qloom_float_format e4m3{4, 3, 7, QLOOM_SPECIALS_FN, 1, 1};
            const qloom_block block{0, n, 1, n, 0, 1};
            k.minifloat(&call, &e4m3, &block, b->x.data(), b->y.data(), nullptr);
          }};
}

/// 16 x 64 results of 64 products each: a row of results is 64 sums.
Case accumulate() {
  constexpr std::uint64_t kM = 16, kN = 64, kK = 64;
  return {"accumulate_float e6m9", kM * kN * kK,
          [=, b = std::make_shared<Buffers>(kK * kN),
           c = std::make_shared<std::vector<double>>(kM * kN)](const qloom_kernels& k,
                                                               const qloom_call& call) {
            const qloom_float_format e6m9{6, 9, 31, QLOOM_SPECIALS_IEEE, 1, 0};
            const qloom_tile tile{b->x.data(), b->x.data(), c->data(), kK, kN, kN,
                                  kM,          kN,          kK,        0,  kN};
            std::uint64_t overflows = 0;
            k.accumulate_float(&call, &tile, &e6m9, 0, &overflows);
          }};
}

void print(const Case& c, bool is_last) {
  constexpr int kRounds = 15;
  std::vector<double> fused, rule, method, to_rule, to_method;
  for (int i = 0; i < kRounds; ++i) {
    fused.push_back(seconds(c, table(), kFused));
    rule.push_back(seconds(c, table(), kRule));
    method.push_back(seconds(c, table(), kThirdParty));
    to_rule.push_back(fused.back() / rule.back());
    to_method.push_back(fused.back() / method.back());
  }
  const double unit = 1e9 / static_cast<double>(c.n);
  fmt::print(
      "  {{\"kernel\": \"{}\", \"elements\": {}, \"fused_ns\": {:.4f}, "
      "\"rule\": {{\"ns\": {:.4f}, \"x_fused\": {:.2f}}}, "
      "\"method\": {{\"ns\": {:.4f}, \"x_fused\": {:.2f}}}}}{}\n",
      c.name, c.n, median(fused) * unit, median(rule) * unit, median(to_rule),
      median(method) * unit, median(to_method), is_last ? "" : ",");
}

/// A method in accumulate_float beside the definition, which calls it for each addition.
void print_sums() {
  const Case c = accumulate();
  std::vector<double> ratio;
  for (int i = 0; i < 9; ++i) {
    const double rows = seconds(c, table(), kThirdParty);
    ratio.push_back(seconds(c, table(Isa::kScalar), kThirdParty) / rows);
  }
  fmt::print("\"accumulate_float_method_x_definition\": {:.1f}\n", median(ratio));
}

}  // namespace
}  // namespace qloom::kernels

int main() {
  using namespace qloom::kernels;
  constexpr std::uint64_t kCached = 65536, kLarge = 1U << 24;
  const std::vector<Case> cases{affine("affine", kCached, 1, kCached, false),
                                affine("affine", kLarge, 1, kLarge, false),
                                affine("affine, 64 channels", kCached, 64, 1, false),
                                affine("affine, groups of 49", kCached, 64, 49, false),
                                affine("affine_backward", kCached, 1, kCached, true),
                                affine("affine_backward", kLarge, 1, kLarge, true),
                                minifloat("minifloat e4m3", kCached),
                                minifloat("minifloat e4m3", kLarge)};
  fmt::print("{{\"isa\": \"{}\", \"rows\": [\n", table().isa_name);
  for (std::size_t i = 0; i < cases.size(); ++i) print(cases[i], i + 1 == cases.size());
  fmt::print("],\n");
  print_sums();
  fmt::print("}}\n");
  return 0;
}
