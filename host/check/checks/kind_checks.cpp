// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What holds for range estimators, norms, rounding modes and accumulators alone.
#include <algorithm>
#include <cmath>
#include <limits>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/products.hpp"
#include "host/kernels/kernels.hpp"

namespace qloom::check {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void expect_ordered(Context& context, const Record& record) {
  if (record.size() != 1 || !record[0].refusal.empty()) return;
  const auto& ends = std::get<std::vector<double>>(record[0].values);
  for (std::size_t g = 0; 2 * g + 1 < ends.size(); ++g) {
    const double lo = ends[2 * g], hi = ends[2 * g + 1];
    if (std::isfinite(lo) && std::isfinite(hi) && lo <= hi) continue;
    return context.find(fmt::format(
        "the range of group {} is [{}, {}], expected finite and ordered or a refusal", g, lo, hi));
  }
}

/// Every entry against the same rows and channels in other blocks.
Record norm_in_blocks(Context& context, const Case& c, const Tensor& x, std::uint64_t block) {
  registry::Instance instance = context.create(c);
  NormDriver driver(context, instance, x);
  static_cast<void>(driver.begin());
  const Tensor dy = gaussian(x.shape(), context.seed() + 47);
  Record record{driver.forward("training", QLOOM_MODE_TRAINING, block)};
  for (Entry& e : driver.backward("training", QLOOM_MODE_TRAINING, dy, block)) {
    record.push_back(std::move(e));
  }
  record.push_back(driver.forward("evaluation", QLOOM_MODE_EVALUATE, block));
  return record;
}

}  // namespace

void check_range_order(Context& context) {
  for (const Case& c : context.accepted()) {
    context.at("{}, ranges() before any data", c.text());
    const registry::Instance instance = context.create(c);
    qloom_range out{};
    qloom_error error = registry::empty_error();
    const auto& ops = instance.ops<qloom_range_estimator>();
    const qloom_status status =
        context.call("ranges", [&] { return ops.ranges(instance.self(), &out, 1, &error); });
    if (status != QLOOM_E_ORDER) {
      context.find(fmt::format("status {}, expected {} (QLOOM_E_ORDER)", status,
                               qloom_status{QLOOM_E_ORDER}));
    }
  }
}

void check_range_values(Context& context) {
  for (const Case& c : context.accepted()) {
    std::vector<Input> inputs = inputs_of("range", context.seed());
    Tensor gaps = gaussian({1000}, context.seed() + 31), none({7});
    for (std::size_t i = 0; i < gaps.size(); i += 10) {
      gaps[i] = i % 30 == 0 ? kNan : i % 20 == 0 ? kInfinity : -kInfinity;
    }
    none.fill(kNan);
    inputs.push_back({"with NaN and infinities", std::move(gaps), 0, 1, 1, false, false});
    inputs.push_back({"nothing but NaN", std::move(none), 0, 1, 1, false, false});
    const std::vector<float> zeros(12, 0.0F);
    inputs.push_back({"zeros in 3 groups", tensor_of(zeros), 0, 1, 3, true, false});
    for (const Input& input : inputs) {
      context.at("{}, {}", c.text(), input.name);
      registry::Instance instance = context.create(c);
      expect_ordered(context, exercise(context, c, instance, input, 0));
    }
  }
}

void check_norm_blocks(Context& context) {
  for (const Case& c : context.accepted()) {
    for (const Shape& shape : {Shape{523, 5}, Shape{64, 33}}) {
      const Tensor x = gaussian(shape, context.seed() + 5, 3.0F);
      context.at("{}, {} x {}", c.text(), shape[0], shape[1]);
      const Record whole = norm_in_blocks(context, c, x, static_cast<std::uint64_t>(shape[0]));
      for (const std::uint64_t rows : {1U, 7U, 128U}) {
        const std::string text = difference(norm_in_blocks(context, c, x, rows), whole);
        if (!text.empty()) context.find(fmt::format("in blocks of {} rows: {}", rows, text));
      }
    }
  }
}

void check_norm_non_finite(Context& context) {
  const Tensor x = gaussian({96, 3}, context.seed() + 6);
  for (const Case& c : context.accepted()) {
    for (const float odd : {kNan, kInfinity, -kInfinity}) {
      context.at("{}, {} in a training batch", c.text(), odd);
      registry::Instance instance = context.create(c);
      NormDriver driver(context, instance, x);
      static_cast<void>(driver.begin());
      static_cast<void>(driver.forward("training", QLOOM_MODE_TRAINING, 96));
      const data::Arrays before = instance.save();
      Tensor bad = x;
      bad[31] = odd;
      NormDriver other(context, instance, bad);
      if (!other.forward("training", QLOOM_MODE_TRAINING, 96).refusal.empty()) {
        const std::string text = difference(instance.save(), before);
        if (!text.empty()) context.find(fmt::format("changed although it refused: {}", text));
        continue;
      }
      const Entry after = driver.forward("evaluation", QLOOM_MODE_EVALUATE, 96);
      for (const float v : std::get<std::vector<float>>(after.values)) {
        if (std::isfinite(v)) continue;
        context.find("took the batch, and gives values that are not finite ever after");
        break;
      }
    }
  }
}

void check_inference(Context& context) {
  for (const Case& c : context.accepted()) {
    for (const Input& input : inputs_of("norm", context.seed())) {
      context.at("{}, {}", c.text(), input.name);
      registry::Instance instance = context.create(c);
      NormDriver driver(context, instance, input.x);
      static_cast<void>(driver.begin());
      if (!driver.forward("training", QLOOM_MODE_TRAINING, 64).refusal.empty()) continue;
      const Entry evaluated = driver.forward("evaluation", QLOOM_MODE_EVALUATE, 64);
      const Record form = driver.inference();
      if (!evaluated.refusal.empty() || !form[0].refusal.empty()) continue;
      const auto &y = std::get<std::vector<float>>(evaluated.values),
                 &scale = std::get<std::vector<float>>(form[0].values),
                 &shift = std::get<std::vector<float>>(form[1].values);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double s = scale[i % scale.size()], t = shift[i % shift.size()];
        const double expected = s * double{input.x[i]} + t;
        // Three roundings to float32 of terms no larger than |scale x| + |shift|, and one of each
        // coefficient: fewer than 8 units of 2^-24 of that sum.
        const double bound = 8 * 0x1p-24 * (std::abs(s * double{input.x[i]}) + std::abs(t) + 8.0);
        if (std::abs(y[i] - expected) <= bound) continue;
        context.find(fmt::format("element {}: evaluation gives {}, scale * x + shift {}", i, y[i],
                                 expected));
        break;
      }
    }
  }
}

void check_rounding_values(Context& context) {
  std::vector<float> x = float16_values();
  for (int e = 20; e <= 120; e += 5) {  // around and beyond what integer types hold
    for (const float v : {std::ldexp(1.0F, e), -std::ldexp(1.5F, e)}) x.push_back(v);
  }
  for (const Case& c : context.accepted()) {
    const registry::Instance instance = context.create(c);
    std::vector<float> y(x.size());
    context.at("{}, all float16 values and larger ones", c.text());
    const std::string refusal = round_values(context, instance, 0, 0, x.data(), y.data(), x.size());
    if (!refusal.empty()) context.find(refusal);
    const bool moves = (instance.ops<qloom_rounding>().caps & QLOOM_ROUNDING_MOVES_INTEGERS) != 0;
    for (std::size_t i = 0; refusal.empty() && i < x.size(); ++i) {
      if (y[i] == std::floor(x[i]) || y[i] == std::ceil(x[i])) continue;
      if (moves && std::floor(y[i]) == y[i] && std::fabs(y[i] - x[i]) <= 1.0F) continue;
      context.find(fmt::format("{} became {}, expected {} or {}", x[i], y[i], std::floor(x[i]),
                               std::ceil(x[i])));
    }
    context.at("{}, in place", c.text());
    std::vector<float> over = x;
    static_cast<void>(round_values(context, instance, 0, 0, over.data(), over.data(), x.size()));
    const std::string text = difference(Values{over}, Values{y});
    if (!text.empty()) context.find(text);
    context.at("{}, NaN and infinities", c.text());
    std::vector<float> odd{kNan, kInfinity, -kInfinity, 1e30F, -1e30F, 1e-40F};
    static_cast<void>(round_values(context, instance, 0, 0, odd.data(), odd.data(), odd.size()));
  }
}

void check_rounding_blocks(Context& context) {
  const Tensor x = gaussian({4611}, context.seed() + 61, 20.0F);
  for (const Case& c : context.accepted()) {
    const registry::Instance instance = context.create(c);
    std::vector<float> whole(x.size()), cut(x.size());
    static_cast<void>(round_values(context, instance, 0, 0, x.data(), whole.data(), x.size()));
    for (const std::size_t step : {1U, 7U, 256U, 1031U}) {
      context.at("{}, in pieces of {}", c.text(), step);
      for (std::size_t first = 0; first < x.size(); first += step) {
        static_cast<void>(round_values(context, instance, first, 0, x.data() + first,
                                       cut.data() + first, std::min(step, x.size() - first)));
      }
      const std::string text = difference(Values{cut}, Values{whole});
      if (!text.empty()) context.find(text);
    }
    if ((instance.ops<qloom_rounding>().caps & QLOOM_ROUNDING_DRAWS_NOTHING) == 0) continue;
    context.at("{}, the same values as other elements of another step", c.text());
    static_cast<void>(round_values(context, instance, 12345, 3, x.data(), cut.data(), x.size()));
    const std::string text = difference(Values{cut}, Values{whole});
    if (!text.empty()) context.find("says that it draws nothing, but: " + text);
  }
}

void check_lowered_rounding(Context& context) {
  const std::vector<float> x = float16_values();
  bool is_rule = false;
  for (const Case& c : context.accepted()) {
    context.at("{}, all float16 values", c.text());
    const registry::Instance instance = context.create(c);
    const auto& ops = instance.ops<qloom_rounding>();
    std::uint32_t rule = 0, argument = 0;
    if (ops.lower == nullptr || ops.lower(instance.self(), &rule, &argument) != QLOOM_OK) continue;
    is_rule = true;
    std::vector<float> generic(x.size()), lowered(x.size());
    static_cast<void>(round_values(context, instance, 0, 5, x.data(), generic.data(), x.size()));
    qloom_call call = pure_call(Rounding::kNearest, 5, nullptr);
    call.rounding = {nullptr, nullptr, rule, argument};
    if (kernels::table().round(&call, 0, x.data(), lowered.data(), x.size()) != QLOOM_OK) {
      context.find(
          fmt::format("says it is rule {} with argument {}, which does not exist", rule, argument));
      continue;
    }
    const std::string text = difference(Values{generic}, Values{lowered});
    if (!text.empty()) context.find(fmt::format("says it is rule {}, but: {}", rule, text));
  }
  if (!is_rule) context.skip("is no rule of the kernels");
}

void check_accumulator_tiles(Context& context) {
  const std::pair<std::uint64_t, std::uint64_t> tiles[] = {{1, 1}, {4, 16}, {13, 5}, {2, 19}};
  for (const Case& c : context.accepted()) {
    const registry::Instance instance = context.create(c);
    for (const Input& input : inputs_of("accumulator", context.seed())) {
      const Factors f = factors_of(instance.ops<qloom_accumulator>(), input.x, context.seed());
      for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic}) {
        const Product whole = accumulate(context, instance, f, r, f.m, f.n);
        for (const auto& [rows, columns] : tiles) {
          context.at("{}, {}, {}, tiles of {} x {}", c.text(), input.name, name(r), rows, columns);
          const Product cut = accumulate(context, instance, f, r, rows, columns);
          const std::string text = difference(Values{cut.c}, Values{whole.c});
          if (!text.empty()) context.find(text);
          if (cut.overflows != whole.overflows) {
            context.find(fmt::format("{} overflows, expected {}", cut.overflows, whole.overflows));
          }
        }
      }
    }
  }
}

void check_accumulator_sums(Context& context) {
  for (const Case& c : context.accepted()) {
    const registry::Instance instance = context.create(c);
    const auto& ops = instance.ops<qloom_accumulator>();
    context.at("{}", c.text());
    const std::uint32_t bits = ops.bits(instance.self());
    if (bits < 1 || bits > 1024) {  // the exact sum of products of two floats takes 640
      context.find(fmt::format("states {} bits, expected 1 to 1024", bits));
    }
    // 2 x 3 times 3 x 2 in small integers; other parameters may leave no room for them.
    Factors f{2, 2, 3, tensor_of({1, -1, 1, 0, 1, 1}, {2, 3}),
              tensor_of({1, 1, -1, 1, 0, 1}, {3, 2})};
    if (bits >= 4 && c.text() == context.cases().front().text()) {
      const Product p = accumulate(context, instance, f, Rounding::kNearest, 2, 2);
      const std::string text = difference(Values{p.c}, Values{std::vector<double>{2, 1, -1, 2}});
      if (!p.refusal.empty() || !text.empty()) context.find(p.refusal + text);
      if (p.overflows != 0) context.find(fmt::format("{} overflows, expected 0", p.overflows));
    }
    if (ops.is_exact(instance.self()) == 0) continue;
    for (const Input& input : inputs_of("accumulator", context.seed())) {
      context.at("{}, {}, the exact sum", c.text(), input.name);
      f = factors_of(ops, input.x, context.seed());
      for (float& v : f.a) v = std::nearbyint(v);  // then a double holds every sum
      for (float& v : f.b) v = std::nearbyint(v);
      std::vector<double> sums(f.m * f.n, 0.0);
      for (std::uint64_t i = 0; i < sums.size(); ++i) {
        for (std::uint64_t k = 0; k < f.k; ++k) {
          sums[i] += double{f.a[i / f.n * f.k + k]} * double{f.b[k * f.n + i % f.n]};
        }
      }
      const Product p = accumulate(context, instance, f, Rounding::kNearest, f.m, f.n);
      const std::string text = difference(Values{p.c}, Values{sums});
      if (!text.empty()) context.find(text);
    }
  }
}

void check_events(Context& context) {
  constexpr std::uint32_t kKnown = ((2U << QLOOM_EVENT_END) - 1) & ~(1U << 9);  // 9: no event yet
  for (const Case& c : context.accepted()) {
    context.at("{}", c.text());
    const registry::Instance instance = context.create(c);
    const std::uint32_t caps = instance.ops<qloom_procedure>().caps;
    if (caps == 0) context.find("wants no event: it would never be called");
    if ((caps & ~kKnown) != 0) {
      context.find(fmt::format("wants events {:#x}, this host knows {:#x}", caps, kKnown));
    }
  }
}

}  // namespace qloom::check
