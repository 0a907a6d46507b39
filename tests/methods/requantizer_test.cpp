// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the host says of answers that no requantizer may give.
#include <fmt/format.h>

#include "tests/support/requantizer_harness.hpp"

namespace qloom::test {
namespace {

/// A requantizer whose answer the test writes.
struct Answer {
  std::vector<qloom_step> steps;
  std::uint64_t count = 0;  ///< what it says in place of their number, where it is not 0
};

qloom_status answered(void* self, const qloom_requantize_task*, qloom_step* steps,
                      std::uint64_t* count, qloom_error*) noexcept {
  const auto& answer = *static_cast<const Answer*>(self);
  std::copy(answer.steps.begin(), answer.steps.end(), steps);
  *count = answer.count == 0 ? answer.steps.size() : answer.count;
  return QLOOM_OK;
}

constexpr qloom_requantizer kTable{sizeof(qloom_requantizer), 0, &answered};
constexpr qloom_base kBase{sizeof(qloom_base), 1, [](void*) noexcept {}, nullptr, nullptr};

class Misbehaving : public testing::Test {
 protected:
  std::string fault(const RequantizeTask& task) {
    registry::Method method;
    method.kind = "requantizer";
    method.id = "mine";
    const qloom_instance raw{sizeof(qloom_instance), 0, &answer_, &kBase, &kTable};
    try {
      static_cast<void>(
          methods::Requantizer(registry::Instance(&method, raw), "output/conv1").derive(task));
    } catch (const RunError& error) {
      return error.what();
    }
    return {};
  }
  void expect(const std::string& text, const RequantizeTask& task = sum_task({1}, {0}, 100)) {
    EXPECT_EQ(fault(task), R"(requantizer "mine" at output/conv1: )" + text);
  }
  qloom_step step(std::uint32_t op, const std::vector<std::int64_t>& constants,
                  std::uint64_t per_channel = 1) {
    return {sizeof(qloom_step), op,      QLOOM_ROUND_NEAREST_EVEN,       0,
            constants.data(),   nullptr, constants.size() / per_channel, per_channel};
  }

  const std::vector<std::int64_t> one_{1}, two_{1, 2}, large_{INT64_MAX}, codes_{-128, 127},
      falling_{3, 2}, wide_{-128, 128};
  Answer answer_;
};

TEST_F(Misbehaving, AnswersThatAreSoundPass) {
  answer_.steps = {step(QLOOM_STEP_CLAMP, codes_, 2)};
  EXPECT_EQ(fault(sum_task({1}, {0}, 1000)), "");
  answer_.steps.clear();
  EXPECT_EQ(fault(sum_task({1}, {0}, 100)), "");  // the sums are codes already
}

TEST_F(Misbehaving, TheFormOfAStepIsNamed) {
  const auto with = [&](const auto& edit) {
    answer_.steps = {step(QLOOM_STEP_CLAMP, codes_, 2), step(QLOOM_STEP_ADD, one_)};
    edit(answer_.steps[1]);
  };
  with([](qloom_step& s) { s.struct_size = 8; });
  expect("step 2: struct_size 8, this host needs 48");
  with([](qloom_step& s) { s.op = 10; });
  expect("step 2: operation 10, expected 0 to 9");
  with([](qloom_step& s) { s.input = 1; });
  expect("step 2: input 1, expected 0 to 0");
  with([](qloom_step& s) { s.constants = nullptr; });
  expect("step 2: its constants are NULL");
  with([](qloom_step& s) { s.groups = 2; });
  expect("step 2: constants for 2 channels, expected 1 or 3", sum_task({1, 1, 1}, {0, 0, 0}, 9));
  with([](qloom_step& s) { s.per_channel = 0; });
  expect("step 2: 0 constants per channel, expected 1 to 67108864");
  with([](qloom_step& s) { s.per_channel = UINT64_MAX; });
  expect("step 2: 18446744073709551615 constants per channel, expected 1 to 67108864");
  with([](qloom_step& s) { s.op = QLOOM_STEP_CLAMP; });
  expect("step 2: clamp: 1 constants per channel, expected 2");
  with([](qloom_step& s) {
    s.op = QLOOM_STEP_SHIFT_RIGHT;
    s.rounding = QLOOM_ROUND_STOCHASTIC;
  });
  expect("step 2: rounding 7, expected 1 to 6, those without random words");
}

TEST_F(Misbehaving, FactorsAndConstantsExcludeEachOther) {
  constexpr float kFactor = 0.5F, kNan = std::numeric_limits<float>::quiet_NaN();
  answer_.steps = {step(QLOOM_STEP_ADD, one_)};
  answer_.steps[0].factors = &kFactor;
  expect("step 1: its factors are there, expected constants");
  answer_.steps[0].op = QLOOM_STEP_FLOAT_SCALE;
  expect("step 1: its constants are there, expected factors");
  answer_.steps[0].constants = nullptr;
  EXPECT_EQ(fault(sum_task({1}, {0}, 100)), "");
  answer_.steps[0].factors = &kNan;
  expect("step 1: float_scale: channel 0: nan, expected a finite factor");
}

TEST_F(Misbehaving, MoreStepsThanThereIsRoomForAreNamed) {
  answer_.count = 65;
  expect("65 steps, expected at most 64");
}

TEST_F(Misbehaving, StepsThatLeave64BitsAndCodesOutOfRangeAreNamed) {
  answer_.steps = {step(QLOOM_STEP_ADD, one_), step(QLOOM_STEP_MULTIPLY, large_)};
  expect("step 2 (multiply) of channel 0: -99 to 101 leave 64 bits");
  answer_.steps = {step(QLOOM_STEP_CLAMP, wide_, 2)};
  expect("channel 0: codes of -128 to 128, expected -128 to 127", sum_task({1}, {0}, 1000));
  answer_.steps = {step(QLOOM_STEP_COUNT, falling_, 2)};
  expect("step 1: count: channel 0: 3 before 2, expected ascending constants");
}

TEST_F(Misbehaving, JoinsAreProvedInputByInput) {
  answer_.steps = {step(QLOOM_STEP_ADD, one_), step(QLOOM_STEP_MULTIPLY, large_)};
  answer_.steps[1].input = 2;
  expect("input 2: step 1 (multiply) of channel 0: -255 to 255 leave 64 bits", join_task({1, 1}));
  answer_.steps = {step(QLOOM_STEP_ADD, large_), step(QLOOM_STEP_ADD, one_)};
  answer_.steps[0].input = 1;
  expect("input 1: step 1 (add) of channel 0: -255 to 255 leave 64 bits", join_task({1, 1}));
  answer_.steps = {step(QLOOM_STEP_ADD, one_)};
  expect("channel 0: codes of -509 to 511, expected -128 to 127", join_task({1, 1}));
}

TEST(Float32Factors, AreQuotientsOfRoundedScalesWhereTheScalesAreKnown) {
  // 0.1 * 0.07 and its quotient by 0.7, once in float32 at each place and once in double
  RequantizeTask task = sum_task({0.1 * 0.07 / 0.7}, {0.1 * 0.07 / 0.7 * 12345}, 1000);
  const auto text = [&](const char* quotient) {
    return text_of(derive("float_scale", quotient, task).behind, 0);
  };
  const std::string once =
      fmt::format("+ 12345, float * {}, clamp -128 127", static_cast<float>(task.factor[0]));
  EXPECT_EQ(text(R"({"factor_rounding": "float32"})"), once);  // no scales
  task.unit = {0.1 * 0.07};
  task.code_scale = 0.7;
  EXPECT_EQ(text(R"({"factor_rounding": "float32"})"),
            fmt::format("+ 12345, float * {}, clamp -128 127",
                        static_cast<float>(0.1 * 0.07) / static_cast<float>(0.7)));
  EXPECT_EQ(text(R"({"factor_rounding": "double"})"), once);
  EXPECT_NE(static_cast<float>(0.1 * 0.07) / static_cast<float>(0.7),
            static_cast<float>(0.1 * 0.07 / 0.7));
}

}  // namespace
}  // namespace qloom::test
