// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/requantizer_harness.hpp"

namespace qloom::test {
namespace {

/// A task with its scales, as the host gives it.
RequantizeTask scales_task(float x, float w, float y, std::int32_t zero_point = 0) {
  const double unit = static_cast<double>(x) * static_cast<double>(w);
  RequantizeTask task = sum_task({unit / static_cast<double>(y)}, {0}, 5000, zero_point);
  task.unit = {unit};
  task.code_scale = static_cast<double>(y);
  return task;
}

/// The sums of docs/program.md.
TEST(FloatScale, IsOnnxRuntimesWhereThePageSaysSo) {
  const auto code = [](const RequantizeTask& task, std::int64_t v) {
    return code_of(derive("float_scale", R"({"preset": "onnxruntime"})", task), 0, {v});
  };
  EXPECT_EQ(code(scales_task(0.001F, 0.051F, 0.0017F), -2950), -88);
  EXPECT_EQ(code(scales_task(0.001F, 0.007F, 0.00063F, -126), 585), -120);
}

TEST(FloatScale, RoundsSumAndProductToFloat32) {
  for (const char* preset : {R"({"preset": "onnxruntime"})", R"({"preset": "xnnpack"})"}) {
    RequantizeTask task = sum_task({1}, {0}, (1 << 24) + 3);
    task.codes = {INT32_MIN, INT32_MAX};
    const Requantization r = derive("float_scale", preset, task);
    EXPECT_EQ(code_of(r, 0, {(1 << 24) + 1}), 1 << 24);
    EXPECT_EQ(code_of(r, 0, {(1 << 24) + 3}), (1 << 24) + 4);
    EXPECT_FALSE(steps::is_integer(r.behind));
  }
}

TEST(FloatScale, AddsTheBiasToTheSumAndTheZeroPointBehindTheRounding) {
  const RequantizeTask task = sum_task({0.5, 0}, {2.6, 2.5}, 100, 1);
  const Requantization r = derive("float_scale", "{}", task);
  EXPECT_EQ(code_of(r, 0, {0}), 3);  // 2.6 / 0.5 is 5, 2.5 goes to 2, and 1
  EXPECT_EQ(code_of(r, 0, {2}), 5);  // 3.5 goes to 4
  EXPECT_EQ(code_of(r, 1, {77}), 3);
}

TEST(FloatScale, BiasesHalfWayBetweenTwoIntegersGoToTheEvenOne) {
  for (const auto& [offset, bias] : {std::pair{2.5, 2}, {3.5, 4}, {-2.5, -2}, {-3.5, -4}}) {
    for (const double factor : {1.0, -1.0, 3.0}) {  // offset / factor is half way
      const RequantizeTask task = sum_task({factor}, {offset * factor}, 100);
      const std::string text = text_of(derive("float_scale", "{}", task).behind, 0);
      EXPECT_TRUE(text.starts_with("+ " + std::to_string(bias) + ",")) << text << offset;
    }
  }
}

TEST(FloatScale, RefusesJoinsAndWhatItDoesNotHold) {
  EXPECT_NE(refusal_of("float_scale", "{}", join_task({0.5, 0.5})).find("a join: "),
            std::string::npos);
  EXPECT_NE(refusal_of("float_scale", "{}", sum_task({1e30}, {0}, 100)).find("channel 0: "),
            std::string::npos);
  EXPECT_NE(refusal_of("float_scale", "{}", sum_task({1e-9}, {40}, 100)).find("32 bits"),
            std::string::npos);
}

}  // namespace
}  // namespace qloom::test
