// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a norm's optional arguments and modes mean.
#include <cmath>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"

namespace qloom::check {
namespace {

/// A norm that has seen one training batch of the seed.
struct Trained {
  Trained(Context& context, const Case& c, const Tensor& x)
      : instance(context.create(c)), driver(context, instance, x) {
    refusal = driver.begin();
    if (refusal.empty()) refusal = train(-1.0);
  }
  std::string train(double momentum) {
    qloom_norm_call call = driver.call(QLOOM_MODE_TRAINING);
    call.momentum = momentum;
    return driver.prepare(call);
  }
  registry::Instance instance;
  NormDriver driver;
  std::string refusal;
};

std::vector<float> form_of(NormDriver& driver) {
  const Record form = driver.inference();
  if (!form[0].refusal.empty()) return {};
  auto all = std::get<std::vector<float>>(form[0].values);
  const auto& shift = std::get<std::vector<float>>(form[1].values);
  all.insert(all.end(), shift.begin(), shift.end());
  return all;
}

/// Sums of rows in two calls, and of a call that finds other values in the sums.
void expect_added(Context& context, NormDriver& driver, const Tensor& x, const Tensor& dy) {
  const qloom_norm& ops = driver.ops();
  const qloom_norm_call call = driver.call(QLOOM_MODE_TRAINING);
  const std::uint64_t rows = driver.rows(), half = rows / 2, at = half * driver.channels();
  const std::size_t n = ops.sums_per_channel * driver.channels();
  std::vector<double> whole(n, 0.0), cut(n, 0.0);
  ops.backward_sums(driver.self(), &call, 0, rows, x.data(), dy.data(), whole.data());
  ops.backward_sums(driver.self(), &call, 0, half, x.data(), dy.data(), cut.data());
  ops.backward_sums(driver.self(), &call, half, rows - half, x.data() + at, dy.data() + at,
                    cut.data());
  for (std::size_t i = 0; i < n; ++i) {
    // Other orders of at most some hundred terms of size 10 in double.
    if (std::abs(cut[i] - whole[i]) <= 1e-9 * (1.0 + std::abs(whole[i]))) continue;
    return context.find(
        fmt::format("backward_sums() of {} rows after {}: sum {} is {}, expected "
                    "{}: it must add to what is there",
                    rows - half, half, i, cut[i], whole[i]));
  }
}

}  // namespace

void check_norm_sums(Context& context) {
  for (const Case& c : context.accepted()) {
    const Tensor x = gaussian({96, 5}, context.seed() + 6), dy = gaussian({96, 5}, 48);
    context.at("{}, 96 x 5", c.text());
    Trained norm(context, c, x);
    if (norm.driver.ops().sums_per_channel == 0) return context.skip("adds up nothing");
    if (norm.refusal.empty()) expect_added(context, norm.driver, x, dy);
  }
}

void check_norm_modes(Context& context) {
  const Tensor x = gaussian({96, 5}, context.seed() + 6), other = gaussian({96, 5}, 49, 4.0F);
  for (const Case& c : context.accepted()) {
    Trained norm(context, c, x);
    if (!norm.refusal.empty()) continue;
    const data::Arrays before = norm.instance.save();
    const std::vector<float> form = form_of(norm.driver);
    NormDriver later(context, norm.instance, other);
    for (const auto& [mode, word] : {std::pair{QLOOM_MODE_EVALUATE, "evaluation"},
                                     std::pair{QLOOM_MODE_FROZEN, "frozen statistics"}}) {
      context.at("{}, {}", c.text(), word);
      static_cast<void>(later.forward(word, static_cast<std::uint32_t>(mode), 96));
      const std::string text = difference(norm.instance.save(), before);
      if (!text.empty()) context.find(fmt::format("changed what is saved: {}", text));
    }
    context.at("{}, a batch of momentum 0", c.text());
    qloom_norm_call call = later.call(QLOOM_MODE_TRAINING);
    call.momentum = 0.0;
    if (!later.prepare(call).empty()) continue;
    const std::string text = difference(Values{form_of(norm.driver)}, Values{form});
    if (!text.empty()) context.find(fmt::format("moved the running statistics: {}", text));
  }
}

void check_norm_defaults(Context& context) {
  const Tensor x = gaussian({96, 5}, context.seed() + 6);
  const std::vector<float> ones(5, 1.0F), zeros(5, 0.0F);
  for (const Case& c : context.accepted()) {
    std::vector<std::vector<float>> results;
    for (const bool is_given : {true, false}) {
      context.at("{}, gamma, beta and slots {}", c.text(), is_given ? "given" : "left out");
      Trained norm(context, c, x);
      if (!norm.refusal.empty()) break;
      qloom_norm_call call = norm.driver.call(QLOOM_MODE_TRAINING);
      call.gamma = is_given ? ones.data() : nullptr;
      call.beta = is_given ? zeros.data() : nullptr;
      if (!is_given) call.slots = {nullptr, nullptr};
      if (!norm.driver.prepare(call).empty()) break;
      std::vector<float>& y = results.emplace_back(x.size(), kUnwritten);
      context.pure("apply", [&] {
        norm.driver.ops().apply(norm.driver.self(), &call, 0, 96, x.data(), y.data());
      });
    }
    if (results.size() < 2) continue;
    const std::string text = difference(Values{results[1]}, Values{results[0]});
    if (!text.empty()) context.find(fmt::format("not the same as 1, 0 and no rules: {}", text));
  }
}

}  // namespace qloom::check
