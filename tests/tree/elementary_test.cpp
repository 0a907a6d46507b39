// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Who calls the C library's elementary functions: their last bits are not the same on every system.
#include <map>

#include <gtest/gtest.h>

#include "tests/tree/sources.hpp"

namespace qloom::test {
namespace {

bool calls(const std::string& text) {
  static const std::regex call(
      R"((std|^|[^\w.:>])(::)?\b(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sinh|cosh|tanh|)"
      R"(asin|acos|atan|atan2|asinh|acosh|atanh|cbrt|hypot|erf|erfc|tgamma|lgamma)[fl]?\s*\()");
  return std::regex_search(code_of(text), call);
}

TEST(Elementary, TheSearchFindsWhoCalls) {
  for (const char* text :
       {"y = std::exp(x);", "tanhf (x)", "return ::pow(a, b);", "std::log2l(x)"}) {
    EXPECT_TRUE(calls(text)) << text;
  }
  for (const char* text : {"elementary::exp(x)", "// std::exp(x)", "s.log(x)", "catalog(x)",
                           "kernels->pow(a)", "my_exp(x)", "std::ldexp(x, 2)"}) {
    EXPECT_FALSE(calls(text)) << text;
  }
}

TEST(Elementary, MethodsLossesAndInitialWeightsAreRoundedOnceFromDouble) {
  // Each with the place of the one rounding.
  const std::map<std::string, const char*> in_double = {
      {"sdk/include/qloom/elementary.hpp", "the functions themselves"},
      {"sdk/include/qloom/grids/aciq.hpp", "the quantizer's scale; widths are whole numbers"},
      {"sdk/include/qloom/chunk_extremes.hpp", "range_bn's scale of a channel"},
      {"sdk/include/qloom/straight_through.hpp", "the gradient of swish_sign"},
      {"host/check/kinds/surrogate.cpp", "none: slopes are compared within a tolerance"},
      {"host/layers/common/losses.cpp", "the gradient; the loss itself is a figure of a report"},
      {"host/network/parameter.cpp", "Adam's corrections"},
      {"host/registry/services.cpp", "none: log() takes messages"},
      {"host/results/layer_statistics.cpp", "none: a figure of a report, in decibels"},
      {"host/run/steps/training_step.cpp", "the optimizer's learning rate"},
      {"host/tensor/normal.hpp", "the sample"},
      {"plugins/norms/range_bn/range_bn.cpp", "the scale of a channel"},
      {"plugins/quantizers/qil/qil.cpp", "the transformed value; the gradient"},
      {"plugins/quantizers/s2fp8/s2fp8.cpp", "the levels and thresholds"},
      {"plugins/quantizers/tga_ternary/tga_ternary.cpp", "the scale; the threshold's gradient"},
      {"plugins/ranges/kl_entropy/divergence.hpp", "none: decides between edges of bins"},
      {"plugins/ranges/sqnr_step/sqnr_step.cpp", "the exponent of a power of two"}};
  for (const char* const folder : {"host", "sdk", "plugins", "examples"}) {
    for (const fs::path& file : sources(folder)) {
      const std::string name = file.generic_string();
      if (name.ends_with("_test.cpp")) continue;
      EXPECT_EQ(calls(text_of(file)), in_double.contains(name))
          << name << ": qloom/elementary.hpp has them rounded once to float32";
    }
  }
}

}  // namespace
}  // namespace qloom::test
