// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a method's own test needs: the methods of the build tree, loaded as a user loads them.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/registry/registry.hpp"
#include "host/sites/site_quantizer.hpp"

namespace qloom::test {

using json::Json;

/// The registry over QLOOM_PLUGIN_PATH; one per test program.
const registry::Registry& registry();

/// A tensor from values; shape defaults to one axis.
Tensor tensor(std::vector<float> values, Shape shape = {});
std::vector<float> values(const Tensor& x);

/// Standard normal values from Philox words and the Box-Muller transform.
Tensor gaussian(Shape shape, std::uint64_t seed, float deviation = 1.0F);
Tensor uniform(Shape shape, std::uint64_t seed, float lo, float hi);

/// A quantize node from the text of a rule, for instance
///   Site q(R"({"quantizer": {"plugin": "twn"}})");
struct Site {
  explicit Site(const std::string& rule, sites::SiteContext context = {.name = "weight/test"});
  std::vector<float> forward(const Tensor& x, bool training = true, std::uint64_t step = 0);
  std::vector<float> backward(const Tensor& x, const Tensor& dy);
  std::vector<std::int32_t> encode(const Tensor& x);
  /// The gradient of a learned parameter by name, first element.
  float learned_gradient(const std::string& name);
  float& learned_value(const std::string& name);
  sites::SiteQuantizer node;
};

/// A norm, range, accumulator, rounding or procedure instance with resolved parameters.
registry::Instance create(const std::string& kind, const std::string& id,
                          const std::string& params = "{}");

/// One range round over x (all passes), one range per group.
std::vector<qloom_range> range_of(const std::string& id, const std::string& params, const Tensor& x,
                                  qloom_range_context context, std::uint64_t outer = 1,
                                  std::uint64_t groups = 1);

/// Round values with a rounding method; seed, stream and step as given.
std::vector<float> round_with(const std::string& id, const std::string& params,
                              const std::vector<float>& x, std::uint64_t seed = 1,
                              std::uint64_t step = 0);

/// EXPECT_NEAR for each element.
void expect_near(const std::vector<float>& actual, const std::vector<float>& expected,
                 double tolerance);

/// Conformance of a quantizer rule on tensor x (shape as given), for any method: apply is the same
/// for different block cuts and threads, decode(encode(x)) == apply(x) bit for bit where codes
/// exist, save -> load gives the same result.
void expect_conforms(const std::string& rule, const Tensor& x,
                     sites::SiteContext context = {.name = "weight/test"});

}  // namespace qloom::test
