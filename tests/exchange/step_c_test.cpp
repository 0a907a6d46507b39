// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Step programs as C: compiled without a warning, they end with the executor's weights.
#include <fstream>

#include <fmt/format.h>

#include "host/exchange/c/training/step_c.hpp"
#include "tests/exchange/compiled.hpp"
#include "tests/support/random_step.hpp"

namespace qloom::test {
namespace {

using StepProgram = step_program::Program;
using StepState = step_program::State;

void put_record(std::ofstream& file, char letter, const StepBatch& batch) {
  const auto n = static_cast<std::uint32_t>(batch.labels.size());
  file.put(letter);
  for (int shift = 0; shift < 32; shift += 8) file.put(static_cast<char>(n >> shift & 255U));
  for (const std::int64_t byte : batch.images) file.put(static_cast<char>(byte));
  if (letter != 't') return;
  for (const std::int32_t label : batch.labels) file.put(static_cast<char>(label));
}

/// Steps and then classes, as the harness reads them; what it has to print.
std::string records_of(const StepProgram& program, std::uint64_t seed, std::uint64_t steps,
                       const std::filesystem::path& file) {
  std::ofstream out(file, std::ios::binary);
  StepState state = step_program::initial_state(program);
  for (std::uint64_t step = 0; step < steps; ++step) {
    const StepBatch batch = step_batch(program, seed, step);
    put_record(out, 't', batch);
    execute_step(program, state, batch.images, batch.labels);
  }
  const StepBatch seen = step_batch(program, seed, steps);
  put_record(out, 'c', seen);
  std::string expected;
  for (const std::int32_t c : classify(program, state, seen.images)) {
    expected += fmt::format("{}\n", c);
  }
  for (const auto& weights : state.weights) {
    for (const std::int64_t weight : weights) expected += fmt::format("{}\n", weight);
  }
  return expected;
}

/// "" when the printed program gives the executor's classes and weights behind so many steps.
std::string step_difference(const StepProgram& program, std::uint64_t seed, std::uint64_t steps,
                            const Toolchain& tools, const std::string& model_options = "") {
  const Folder folder;
  write(exchange::c::print_step(program, "1234"), folder.path());
  const std::string expected = records_of(program, seed, steps, folder / "records");
  const std::string cc = "cd '" + folder.path().string() + "' && " + tools.compiler + kStrict;
  const std::string link = tools.emulator.empty() ? "" : " -static";
  for (const std::string& command :
       {model_options + " -c model.c -o model.o", "model_main.c model.o -o model" + link}) {
    const Told told = tell(cc + command);
    if (told.status != 0 || !told.text.empty()) return command + ": " + told.text;
  }
  const Told told =
      tell("cd '" + folder.path().string() + "' && " + tools.emulator + "./model <records");
  if (told.status != 0) return "status " + std::to_string(told.status) + ": " + told.text;
  return told.text == expected ? "" : "seed " + std::to_string(seed) + ": another text";
}

/// With words of the counter and of registers, from a fixed state and from another one at each
/// step.
TEST(StepC, TwentyStepsEndWithTheExecutorsWeights) {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    EXPECT_EQ(step_difference(random_step(seed), seed, 20, gcc_fast()), "") << seed;
  }
}

TEST(StepC, NoUndefinedBehaviourNoAccessOutside) {
  for (std::uint64_t seed = 6; seed < 10; ++seed) {
    EXPECT_EQ(step_difference(random_step(seed), seed, 5, clang_checking()), "") << seed;
  }
}

/// The compiler may use no register of floating point; no function stands in for such code.
TEST(StepC, ThreeStepsOnAProcessorWithoutFloatingPoint) {
  for (std::uint64_t seed = 10; seed < 13; ++seed) {
    EXPECT_EQ(step_difference(random_step(seed), seed, 3, arm_emulated(), "-mgeneral-regs-only"),
              "")
        << seed;
  }
  const Folder folder;
  write(exchange::c::print_step(random_step(10), "1234"), folder.path());
  const Told told =
      tell("cd '" + folder.path().string() +
           "' && " QLOOM_ARM_GCC
           " -O2 -std=c99 -mgeneral-regs-only -c model.c -o model.o && arm-linux-gnueabihf-nm -u "
           "model.o && echo done");
  EXPECT_EQ(told.status, 0) << told.text;
  for (const char* of_floats :
       {"__aeabi_f", "__aeabi_d", "__aeabi_i2f", "__aeabi_l2", "sf", "df"}) {
    EXPECT_EQ(told.text.find(of_floats), std::string::npos) << told.text;
  }
}

constexpr const char* kGoesOn = R"(#include <stdio.h>
#include <string.h>
#include "model.h"
static uint8_t batch[MODEL_BATCH * MODEL_IMAGE_SIZE], labels[MODEL_BATCH];
static void train(uint32_t step) {
  for (uint32_t i = 0; i < sizeof batch; ++i) batch[i] = (uint8_t)(i * 7u + step * 31u);
  for (uint32_t i = 0; i < MODEL_BATCH; ++i) labels[i] = (uint8_t)((i + step) % MODEL_CLASSES);
  model_step(batch, labels, step % 2 == 0 ? MODEL_BATCH : 1);
}
int main(void) {
  int8_t conv[MODEL_CONV_WEIGHT_SIZE], dense[MODEL_DENSE_WEIGHT_SIZE];
  for (uint32_t step = 0; step < 6; ++step) {
    if (step == 3) { /* what is kept over a loss of power; then other steps; then it goes on */
      const uint32_t done = model_steps();
      memcpy(conv, model_conv_weight(), sizeof conv);
      memcpy(dense, model_dense_weight(), sizeof dense);
      train(77);
      train(78);
      memcpy(model_conv_weight(), conv, sizeof conv);
      memcpy(model_dense_weight(), dense, sizeof dense);
      model_set_steps(done);
    }
    train(step);
  }
  for (uint32_t i = 0; i < sizeof conv; ++i) printf("%d\n", model_conv_weight()[i]);
  for (uint32_t i = 0; i < sizeof dense; ++i) printf("%d\n", model_dense_weight()[i]);
  return 0;
}
)";

/// Between two steps nothing lasts but weights and the number of steps: registers too start anew.
TEST(StepC, GoesOnFromWeightsAndTheNumberOfSteps) {
  for (std::uint64_t seed = 3; seed < 6; ++seed) {
    const StepProgram program = random_step(seed);
    StepState state = step_program::initial_state(program);
    for (std::uint64_t step = 0; step < 6; ++step) {
      StepBatch batch;
      const std::int64_t samples = step % 2 == 0 ? program.batch : 1;
      for (std::int64_t i = 0; i < samples * program.tensor(program.images).size(); ++i) {
        batch.images.push_back((i * 7 + static_cast<std::int64_t>(step) * 31) & 255);
      }
      const auto classes = static_cast<std::uint64_t>(program.tensor(program.logits).size());
      for (std::int64_t i = 0; i < samples; ++i) {
        batch.labels.push_back(
            static_cast<std::int32_t>((static_cast<std::uint64_t>(i) + step) % classes));
      }
      execute_step(program, state, batch.images, batch.labels);
    }
    std::string expected;
    for (const auto& weights : state.weights) {
      for (const std::int64_t weight : weights) expected += fmt::format("{}\n", weight);
    }
    const Folder folder;
    write(exchange::c::print_step(program, "1234"), folder.path());
    std::ofstream(folder / "goes_on.c") << kGoesOn;
    const Told told = tell("cd '" + folder.path().string() + "' && " + QLOOM_GCC +
                           " -std=c99 -O1 model.c goes_on.c -o goes_on && ./goes_on");
    EXPECT_EQ(told.status, 0) << told.text;
    EXPECT_EQ(told.text, expected) << seed;
  }
}

TEST(StepC, HarnessRefusesWhatIsNoRecord) {
  const Folder folder;
  const StepProgram program = random_step(2);
  write(exchange::c::print_step(program, "1234"), folder.path());
  static_cast<void>(records_of(program, 2, 2, folder / "records"));
  const std::string in = "cd '" + folder.path().string() + "' && ";
  ASSERT_EQ(tell(in + QLOOM_GCC + kStrict + "model.c model_main.c -o model").status, 0);
  EXPECT_NE(tell(in + "head -c 20 records | ./model").status, 0);
  EXPECT_NE(tell(in + "printf 'x' | ./model").status, 0);
  EXPECT_NE(tell(in + "printf 't\\377\\0\\0\\0' | ./model").status, 0);
  EXPECT_EQ(tell(in + "./model <records").status, 0);
}

TEST(StepC, NoTextOfItKnowsAFloat) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const exchange::c::Files files = exchange::c::print_step(random_step(seed), "1");
    for (const char* word : {"float", "double", "malloc", "#include <s", "math"}) {
      std::string text = files.source;
      EXPECT_EQ(text.find(word), std::string::npos) << word;
    }
  }
}

}  // namespace
}  // namespace qloom::test
