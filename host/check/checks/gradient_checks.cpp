// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Gradients against the slopes of sum(dy * y). A quantizer's backward() belongs to a surrogate of
// its steps, which the manifest's "gradient" names: apply() itself with a rounding method that is
// smooth, and central differences tell its slopes; or a closed form, where apply() is a search in a
// codebook.
#include <algorithm>
#include <cmath>
#include <functional>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/surrogate.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace {

using Loss = std::function<double()>;

/// A slope, and by how much those to the right and to the left differ, relative to their sum.
struct Slope {
  double value, bend;
};
/// dL/d(at) from L at both sides of it.
Slope slope(float& at, float h, const Loss& loss) {
  const float before = at;
  const double middle = loss();
  at = before + h;
  const double up = loss(), to_right = double{at} - double{before};
  at = before - h;
  const double down = loss(), to_left = double{before} - double{at};
  at = before;
  const double right = (up - middle) / to_right, left = (middle - down) / to_left;
  return {(up - down) / (to_right + to_left),
          std::abs(right - left) / (1.0 + std::abs(right) + std::abs(left))};
}

/// Each value's slope against its gradient. y has float32's 24 bits and h is at least 2^-11 of the
/// values' size, so a slope is good to 2^-12 of a term; the tolerance leaves room for some tens of
/// them and for the curvature of a norm. Near a kink there is no slope to compare with: the two
/// sides differ by much, or by enough to explain why the gradient does.
void compare(Context& context, const std::string& what, std::span<float> values,
             const std::vector<float>& gradient, float h, const Loss& loss) {
  std::size_t compared = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto [expected, bend] = slope(values[i], h, loss);
    const double error = std::abs(gradient[i] - expected) / (1.0 + std::abs(expected));
    if (bend > 0.05 || (error > 4e-3 && bend > 8e-3)) continue;
    ++compared;
    if (error <= 4e-3) continue;
    context.find(
        fmt::format("gradient of {}, element {} is {}, central differences of the "
                    "surrogate give {}",
                    what, i, gradient[i], expected));
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

/// The declared parameters on top of the plainest case's, and `more` on top of these.
std::optional<Case> declared_case(Context& context, const Json& declared,
                                  const Json& more = Json::object()) {
  Json params = context.cases().front().params;
  params.update(declared.value("parameters", Json::object()));
  params.update(more);
  context.at("{}", params.dump());
  try {
    return case_of(context.registry(), context.method(), params);
  } catch (const InputError& e) {
    context.find(fmt::format("the manifest's \"gradient\": {}", e.what()));
    return {};
  }
}

void expect_known(Context& context, const Json& declared, const std::vector<std::string>& known) {
  for (const Json& name : declared.value("of", Json::array())) {
    if (std::find(known.begin(), known.end(), name.get<std::string>()) != known.end()) continue;
    context.find(
        fmt::format("the manifest declares a gradient of {}, which does not exist", name.dump()));
  }
}

/// The gradient of x against a closed form.
void compare_closed(Context& context, QuantizerDriver& driver, Surrogate surrogate,
                    const Json& declared, const Tensor& x, const Tensor& dy,
                    const std::vector<float>& gradient) {
  const Entry applied = driver.apply(Rounding::kNearest, x.size());
  const auto& y = std::get<std::vector<float>>(applied.values);
  const bool has_clip = declared.contains("clip");
  const double clip = has_clip ? declared["clip"].get<double>() : 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint64_t g = i / driver.geometry().inner % driver.geometry().groups;
    const std::optional<Ends> ends = has_clip ? Ends{-clip, clip} : driver.ends_of(g);
    const bool needs_ends =
        surrogate == Surrogate::kClipped || surrogate == Surrogate::kClippedRelu;
    if (!ends && needs_ends) {
      return context.find("the manifest's \"gradient\" has no \"clip\" and encoding() no ends");
    }
    const Ends known = ends.value_or(Ends{0, 0});
    if (is_at_jump(surrogate, x[i], known)) continue;
    const double expected = double{dy[i]} * slope_of(surrogate, x[i], y[i], known);
    if (std::abs(gradient[i] - expected) <= 1e-5 * std::abs(expected)) continue;
    return context.find(fmt::format("gradient of x, element {} is {}, the surrogate {} gives {}", i,
                                    gradient[i], declared["surrogate"].dump(), expected));
  }
}

void check_declared(Context& context, const Case& c, const Json& declared, Surrogate surrogate) {
  Tensor x = uniform({6, 8}, context.seed() + 71, -2.0F, 2.0F);
  const Tensor dy = gaussian(x.shape(), context.seed() + 72);
  registry::Instance instance = context.create(c);
  QuantizerDriver driver(context, c, instance, x, 0);
  const std::string refusal = driver.prepare(0);
  if (!refusal.empty()) return context.find(refusal);
  const bool keeps_errors = surrogate == Surrogate::kErrorKept;
  if (keeps_errors) driver.keep_errors();
  const Rounding rounding = keeps_errors ? Rounding::kErrorKept : Rounding::kIdentity;
  const Record gradients = driver.backward(rounding, dy, x.size());
  const std::vector<qloom_learned> learned = driver.learned();
  std::vector<std::string> known{"x"};
  for (const qloom_learned& l : learned) known.push_back(l.name);
  expect_known(context, declared, known);
  const auto values = [&](std::size_t i) {
    return std::get<std::vector<float>>(gradients[i].values);
  };
  if (is_declared(declared, "x") && is_closed(surrogate)) {
    compare_closed(context, driver, surrogate, declared, x, dy, values(0));
  } else if (is_declared(declared, "x")) {  // prepared values are constants of this derivative
    compare(context, "x", {x.data(), x.size()}, values(0), 0x1p-8F,
            [&] { return weighted_sum(driver.apply(rounding, x.size()), dy); });
  }
  for (std::size_t i = 0; i < learned.size(); ++i) {
    if (!is_declared(declared, learned[i].name) || i + 1 >= gradients.size()) continue;
    compare(context, learned[i].name, {learned[i].value, learned[i].count}, values(i + 1),
            std::max(1.0F, std::abs(*learned[i].value)) * 0x1p-11F, [&] {
              static_cast<void>(driver.prepare(1));
              return weighted_sum(driver.apply(rounding, x.size()), dy);
            });
  }
}

}  // namespace

void check_quantizer_gradient(Context& context) {
  const Json declared = context.method().manifest.value("gradient", Json());
  if (declared.is_null()) return context.skip("the manifest declares no gradient");
  const auto surrogate = surrogate_of(declared.value("surrogate", "unrounded"));
  if (!surrogate) return context.find("the manifest's \"gradient\" names no known surrogate");
  const auto declared_one = declared_case(context, declared);
  if (declared_one) check_declared(context, *declared_one, declared, *surrogate);
  const Json properties =
      context.method().manifest.value("parameters", Json::object()).value("properties", Json());
  if (!properties.contains("granularity") || !declared_one) return;
  for (const Json& value : values_of(properties["granularity"])) {
    if (value != "channel") continue;
    const auto channels = declared_case(context, declared, {{"granularity", value}});
    if (channels) check_declared(context, *channels, declared, *surrogate);
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
  expect_known(context, declared, {"x", "gamma", "beta"});
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
  const bool is_told = is_declared(declared, "gamma") || is_declared(declared, "beta");
  if (is_affine && (!is_told || is_declared(declared, "gamma"))) {  // y is linear in both
    compare(context, "gamma", {driver.gamma().data(), 3}, values(1), 0.25F, loss);
  }
  if (is_affine && (!is_told || is_declared(declared, "beta"))) {
    compare(context, "beta", {driver.beta().data(), 3}, values(2), 0.25F, loss);
  }
  if (is_declared(declared, "x")) {
    compare(context, "x", {x.data(), x.size()}, values(0), 0x1p-8F, loss);
  }
}

}  // namespace qloom::check
