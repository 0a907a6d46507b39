// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// All calls of the smaller kinds on one input, as the host makes them.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/products.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/record.hpp"
#include "host/methods/norm.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::check {
namespace {

qloom_status keep_slot(void*, const char*, const float* x, float* y, std::uint64_t n) noexcept {
  if (n > 0) std::memmove(y, x, n * sizeof(float));
  return QLOOM_OK;
}

}  // namespace

Record exercise_range(Context& context, const Case&, registry::Instance& instance,
                      const Input& input, std::uint64_t round) {
  const auto& ops = instance.ops<qloom_range_estimator>();
  const Tensor x = scaled(input.x, factor_of(round));
  const qloom_range_context grid{sizeof(qloom_range_context), 4, 1, 0, 16, 1, 0};
  const std::uint64_t inner = std::max<std::uint64_t>(1, x.size() / (input.outer * input.groups));
  const qloom_tensor t{
      x.data(), x.shape().data(), x.shape().size(), x.size(), input.outer, input.groups, inner};
  qloom_error error = registry::empty_error();
  const auto refused = [&](const char* function, qloom_status status) -> Record {
    return {{function, std::vector<double>{}, refusal_of(status, error)}};
  };
  for (std::uint32_t pass = 0; pass < ops.passes; ++pass) {
    qloom_status status =
        context.call("begin", [&] { return ops.begin(instance.self(), &grid, pass, &error); });
    if (status != QLOOM_OK) return refused("begin", status);
    status = context.call("observe", [&] { return ops.observe(instance.self(), &t, &error); });
    if (status != QLOOM_OK) return refused("observe", status);
    status = context.call("end", [&] { return ops.end(instance.self(), pass, &error); });
    if (status != QLOOM_OK) return refused("end", status);
  }
  return {ranges_now(context, instance, input.groups)};
}

Entry ranges_now(Context& context, const registry::Instance& instance, std::uint64_t groups) {
  std::vector<qloom_range> ranges(groups, {double{kUnwritten}, double{kUnwritten}});
  qloom_error error = registry::empty_error();
  const auto& ops = instance.ops<qloom_range_estimator>();
  const qloom_status status = context.call(
      "ranges", [&] { return ops.ranges(instance.self(), ranges.data(), groups, &error); });
  std::vector<double> ends;
  if (status == QLOOM_OK) {
    for (const qloom_range& r : ranges) ends.insert(ends.end(), {r.lo, r.hi});
  }
  return {"ranges", std::move(ends), refusal_of(status, error)};
}

Record exercise_rounding(Context& context, const Case&, registry::Instance& instance,
                         const Input& input, std::uint64_t round) {
  const std::uint64_t n = input.x.size();
  std::vector<float> y(n, kUnwritten);
  std::vector<std::string> refusals((n + kTileElements - 1) / kTileElements);
  for_each_tile(n, [&](std::uint64_t first, std::uint64_t count) {
    refusals[first / kTileElements] = round_values(context, instance, first + 3, round,
                                                   input.x.data() + first, y.data() + first, count);
  });
  for (const std::string& refusal : refusals) {
    if (!refusal.empty()) return {{"round", std::move(y), refusal}};
  }
  return {{"round", std::move(y), ""}};
}

std::string round_values(Context& context, const registry::Instance& instance, std::uint64_t first,
                         std::uint64_t round, const float* x, float* y, std::uint64_t n) {
  const auto& ops = instance.ops<qloom_rounding>();
  qloom_error error = registry::empty_error();
  qloom_call call = pure_call(Rounding::kNearest, round, &error);
  call.rounding = {instance.self(), &ops, QLOOM_ROUND_GENERIC, 0};
  const qloom_status status =
      context.pure("round", [&] { return ops.round(instance.self(), &call, first, x, y, n); });
  return refusal_of(status, error);
}

Factors factors_of(const qloom_accumulator& ops, const Tensor& x, std::uint64_t seed) {
  Factors f{static_cast<std::uint64_t>(x.shape().at(0)),
            19,
            static_cast<std::uint64_t>(x.shape().at(1)),
            x,
            {}};
  f.b = gaussian({static_cast<std::int64_t>(f.k), static_cast<std::int64_t>(f.n)}, seed + 53, 4.0F);
  if ((ops.caps & QLOOM_ACCUMULATOR_INTEGER) != 0) {
    for (float& v : f.a) v = std::nearbyint(v);
    for (float& v : f.b) v = std::nearbyint(v);
  }
  return f;
}

Product accumulate(Context& context, const registry::Instance& instance, const Factors& f,
                   Rounding rounding, std::uint64_t rows, std::uint64_t columns) {
  const auto& ops = instance.ops<qloom_accumulator>();
  Product product;
  product.c.assign(f.m * f.n, double{kUnwritten});
  const std::uint64_t across = (f.n + columns - 1) / columns, down = (f.m + rows - 1) / rows;
  constexpr std::uint64_t kBefore = 5;  // accumulate() adds to the count
  std::vector<std::uint64_t> overflows(across * down, kBefore);
  std::vector<std::string> refusals(across * down);
  for_each(across * down, [&](std::uint64_t tile_index) {
    const std::uint64_t i = tile_index / across * rows, j = tile_index % across * columns;
    const auto pitch = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
    const qloom_tile tile{f.a.data() + i * f.k,
                          f.b.data() + j,
                          product.c.data() + i * f.n + j,
                          pitch(f.k),
                          pitch(f.n),
                          pitch(f.n),
                          std::min(rows, f.m - i),
                          std::min(columns, f.n - j),
                          f.k,
                          i * f.n + j,
                          f.n};
    qloom_error error = registry::empty_error();
    const qloom_call call = pure_call(rounding, 0, &error);
    const qloom_status status = context.pure("accumulate", [&] {
      return ops.accumulate(instance.self(), &call, &tile, &overflows[tile_index]);
    });
    refusals[tile_index] = refusal_of(status, error);
  });
  for (std::uint64_t i = 0; i < overflows.size(); ++i) {
    product.overflows += static_cast<std::int64_t>(overflows[i] - kBefore);
    if (product.refusal.empty()) product.refusal = refusals[i];
  }
  return product;
}

Record exercise_accumulator(Context& context, const Case&, registry::Instance& instance,
                            const Input& input, std::uint64_t) {
  const Factors f = factors_of(instance.ops<qloom_accumulator>(), input.x, context.seed());
  Record record;
  for (const Rounding r : {Rounding::kNearest, Rounding::kStochastic, Rounding::kGenericNearest}) {
    Product p = accumulate(context, instance, f, r, 4, 8);
    record.push_back({fmt::format("accumulate, {}", name(r)), std::move(p.c), p.refusal});
    record.push_back(
        {fmt::format("overflows, {}", name(r)), std::vector<std::int64_t>{p.overflows}, p.refusal});
  }
  return record;
}

NormDriver::NormDriver(Context& context, registry::Instance& instance, const Tensor& x)
    : context_(context),
      instance_(instance),
      x_(x),
      rows_(static_cast<std::uint64_t>(x.shape().at(0))),
      channels_(static_cast<std::uint64_t>(x.shape().at(1))),
      gamma_(uniform({x.shape().at(1)}, 41, 0.5F, 1.5F)),
      beta_(uniform({x.shape().at(1)}, 43, -0.5F, 0.5F)) {}

qloom_norm_call NormDriver::call(std::uint32_t mode) const {
  return {sizeof(qloom_norm_call), mode,         rows_, channels_,
          gamma_.data(),           beta_.data(), -1.0,  {nullptr, &keep_slot}};
}

std::string NormDriver::begin() {
  const qloom_norm_context c{sizeof(qloom_norm_context), 0, channels_, 27};
  qloom_error error = registry::empty_error();
  return refusal_of(context_.call("begin", [&] { return ops().begin(self(), &c, &error); }), error);
}

std::string NormDriver::prepare(const qloom_norm_call& call) {
  qloom_error error = registry::empty_error();
  return refusal_of(
      context_.call("prepare", [&] { return ops().prepare(self(), &call, x_.data(), &error); }),
      error);
}

Entry NormDriver::forward(const char* what, std::uint32_t mode, std::uint64_t block) {
  const qloom_norm_call c = call(mode);
  std::vector<float> y(x_.size(), kUnwritten);
  const std::string refusal = prepare(c);
  if (!refusal.empty()) return {what, std::move(y), refusal};
  for_rows(block, [&](std::uint64_t first, std::uint64_t rows) {
    context_.pure("apply", [&] {
      ops().apply(self(), &c, first, rows, x_.data() + first * channels_,
                  y.data() + first * channels_);
    });
  });
  return {what, std::move(y), ""};
}

Record NormDriver::backward(const char* what, std::uint32_t mode, const Tensor& dy,
                            std::uint64_t block) {
  const qloom_norm_call c = call(mode);
  const std::uint64_t run = methods::pass_block(channels_) / channels_;
  methods::NormSums sums(ops(), rows_, channels_);
  for_rows(run, [&](std::uint64_t first, std::uint64_t rows) {
    double* const own = sums.block(first / run);
    context_.pure("backward_sums", [&] {
      ops().backward_sums(self(), &c, first, rows, x_.data() + first * channels_,
                          dy.data() + first * channels_, own);
    });
  });
  std::vector<float> dgamma(channels_, 0.0F), dbeta(channels_, 0.0F), dx(dy.begin(), dy.end());
  qloom_error error = registry::empty_error();
  const double* const total = sums.total();
  const qloom_status status = context_.call("backward_prepare", [&] {
    return ops().backward_prepare(self(), &c, total, dgamma.data(), dbeta.data(), &error);
  });
  if (status != QLOOM_OK) return {{what, std::move(dx), refusal_of(status, error)}};
  for_rows(block, [&](std::uint64_t first, std::uint64_t rows) {
    float* const at = dx.data() + first * channels_;  // over dy, as the host may do
    context_.pure("backward", [&] {
      ops().backward(self(), &c, first, rows, x_.data() + first * channels_, at, at);
    });
  });
  return {{fmt::format("{}, dx", what), std::move(dx), ""},
          {fmt::format("{}, dgamma", what), std::move(dgamma), ""},
          {fmt::format("{}, dbeta", what), std::move(dbeta), ""}};
}

Record NormDriver::inference() {
  const qloom_norm_call c = call(QLOOM_MODE_EVALUATE);
  std::vector<float> scale(channels_, kUnwritten), shift(channels_, kUnwritten);
  qloom_error error = registry::empty_error();
  const std::string refusal = refusal_of(
      context_.call(
          "inference",
          [&] { return ops().inference(self(), &c, scale.data(), shift.data(), &error); }),
      error);
  return {{"scale", std::move(scale), refusal}, {"shift", std::move(shift), refusal}};
}

Record exercise_norm(Context& context, const Case&, registry::Instance& instance,
                     const Input& input, std::uint64_t round) {
  const Tensor x = scaled(input.x, factor_of(round));
  NormDriver driver(context, instance, x);
  if (round == 0) {
    const std::string refusal = driver.begin();
    if (!refusal.empty()) return {{"begin", std::vector<float>{}, refusal}};
  }
  const Tensor dy = gaussian(x.shape(), context.seed() + 47);
  const std::uint64_t block = std::max<std::uint64_t>(1, kTileElements / driver.channels());
  Record record;
  record.push_back(driver.forward("training", QLOOM_MODE_TRAINING, block));
  if (!record.back().refusal.empty()) return record;
  append(record, driver.backward("training", QLOOM_MODE_TRAINING, dy, block));
  record.push_back(driver.forward("evaluation", QLOOM_MODE_EVALUATE, block));
  record.push_back(driver.forward("frozen", QLOOM_MODE_FROZEN, block));
  append(record, driver.backward("frozen", QLOOM_MODE_FROZEN, dy, block));
  append(record, driver.inference());
  return record;
}

}  // namespace qloom::check
