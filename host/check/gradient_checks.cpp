// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Gradients against central differences of sum(dy * y). A quantizer's backward() belongs to a
// smooth surrogate of its steps. With a rounding method that leaves values as they are, apply()
// itself is that surrogate: the manifest's "gradient" names what backward() is then the exact
// derivative of.
#include <algorithm>
#include <cmath>
#include <functional>

#include "host/check/checks.hpp"
#include "host/check/norm.hpp"
#include "host/check/quantizer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace {

using Loss = std::function<double()>;

/// dL/d(at) where L is smooth between at - h and at + h; otherwise (a kink: the two one-sided
/// slopes differ) nothing to compare with.
std::optional<double> slope(float& at, float h, const Loss& loss) {
  const float before = at;
  const double middle = loss();
  at = before + h;
  const double up = loss(), to_right = double{at} - double{before};
  at = before - h;
  const double down = loss(), to_left = double{before} - double{at};
  at = before;
  const double right = (up - middle) / to_right, left = (middle - down) / to_left;
  if (std::abs(right - left) > 0.05 * (1.0 + std::abs(right) + std::abs(left))) return {};
  return (up - down) / (to_right + to_left);
}

/// Each value's slope against its gradient. y has float32's 24 bits and h is at least 2^-11 of the
/// values' size, so a slope is good to 2^-12 of a term; the tolerance leaves room for some tens of
/// them and for the curvature of a norm.
void compare(Context& context, const std::string& what, std::span<float> values,
             const std::vector<float>& gradient, float h, const Loss& loss) {
  std::size_t compared = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::optional<double> expected = slope(values[i], h, loss);
    if (!expected) continue;
    ++compared;
    if (std::abs(gradient[i] - *expected) <= 4e-3 * (1.0 + std::abs(*expected))) continue;
    context.find(fmt::format("gradient of {}, element {} is {}, central differences of the "
                             "surrogate give {}", what, i, gradient[i], *expected));
    return;
  }
  if (2 * compared < values.size()) {
    context.find(fmt::format("{}: only {} of {} slopes exist, the surrogate is not smooth", what,
                             compared, values.size()));
  }
}

double weighted_sum(const Entry& y, const Tensor& dy) {
  double sum = 0;
  const auto& values = std::get<std::vector<float>>(y.values);
  for (std::size_t i = 0; i < values.size(); ++i) sum += double{dy[i]} * double{values[i]};
  return sum;
}

bool is_declared(const Json& declared, const std::string& name) {
  const Json of = declared.value("of", Json::array());
  return std::find(of.begin(), of.end(), name) != of.end();
}

/// The declared parameters on top of the plainest case's.
std::optional<Case> declared_case(Context& context, const Json& declared) {
  Json params = context.cases().front().params;
  params.update(declared.value("parameters", Json::object()));
  context.at("{}", params.dump());
  try {
    return Case{params,
                context.registry().resolve_parameters(context.method(), params, "gradient")};
  } catch (const InputError& e) {
    context.find(fmt::format("the manifest's \"gradient\": {}", e.what()));
    return {};
  }
}

void expect_known(Context& context, const Json& declared, const std::vector<std::string>& known) {
  for (const Json& name : declared.value("of", Json::array())) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    context.find(fmt::format("the manifest declares a gradient of {}, which does not exist",
                             name.dump()));
  }
}

}  // namespace

void check_quantizer_gradient(Context& context) {
  const Json declared = context.method().manifest.value("gradient", Json());
  if (declared.is_null()) return context.skip("the manifest declares no gradient");
  const std::optional<Case> c = declared_case(context, declared);
  if (!c) return;
  Tensor x = uniform({6, 8}, context.seed() + 71, -2.0F, 2.0F);
  const Tensor dy = gaussian(x.shape(), context.seed() + 72);
  registry::Instance instance = context.create(*c);
  QuantizerDriver driver(context, *c, instance, x, 0);
  const std::string refusal = driver.prepare(0);
  if (!refusal.empty()) return context.find(refusal);
  const Record gradients = driver.backward(Rounding::kIdentity, dy, x.size());
  const std::vector<qloom_learned> learned = driver.learned();
  std::vector<std::string> known{"x"};
  for (const qloom_learned& l : learned) known.push_back(l.name);
  expect_known(context, declared, known);
  if (is_declared(declared, "x")) {  // prepared values are constants of this derivative
    compare(context, "x", {x.data(), x.size()},
            std::get<std::vector<float>>(gradients[0].values), 0x1p-8F,
            [&] { return weighted_sum(driver.apply(Rounding::kIdentity, x.size()), dy); });
  }
  for (std::size_t i = 0; i < learned.size(); ++i) {
    if (!is_declared(declared, learned[i].name) || i + 1 >= gradients.size()) continue;
    compare(context, learned[i].name, {learned[i].value, learned[i].count},
            std::get<std::vector<float>>(gradients[i + 1].values),
            std::max(1.0F, std::abs(*learned[i].value)) * 0x1p-11F, [&] {
              static_cast<void>(driver.prepare(1));
              return weighted_sum(driver.apply(Rounding::kIdentity, x.size()), dy);
            });
  }
}

void check_norm_gradient(Context& context) {
  const Json declared = context.method().manifest.value("gradient", Json::object());
  const std::optional<Case> c = declared_case(context, declared);
  if (!c) return;
  Tensor x = gaussian({24, 3}, context.seed() + 73, 1.5F);
  const Tensor dy = gaussian(x.shape(), context.seed() + 74);
  registry::Instance instance = context.create(*c);
  NormDriver driver(context, instance, x);
  expect_known(context, declared, {"x"});
  const bool is_affine = (driver.ops().caps & QLOOM_NORM_AFFINE) != 0;
  if (!is_affine && !is_declared(declared, "x")) return context.skip("has no gamma and beta");
  std::string refusal = driver.begin();
  const auto forward = [&] { return driver.forward("training", QLOOM_MODE_TRAINING, 24); };
  if (refusal.empty()) refusal = forward().refusal;
  if (!refusal.empty()) return context.find(refusal);
  const Record gradients = driver.backward("training", QLOOM_MODE_TRAINING, dy, 24);
  if (gradients.size() != 3) return context.find(gradients[0].refusal);
  const auto values = [&](std::size_t i) {
    return std::get<std::vector<float>>(gradients[i].values);
  };
  const Loss loss = [&] { return weighted_sum(forward(), dy); };
  if (is_affine) {  // y is linear in both
    compare(context, "gamma", {driver.gamma().data(), 3}, values(1), 0.25F, loss);
    compare(context, "beta", {driver.beta().data(), 3}, values(2), 0.25F, loss);
  }
  if (is_declared(declared, "x")) {
    compare(context, "x", {x.data(), x.size()}, values(0), 0x1p-8F, loss);
  }
}

}  // namespace qloom::check
