// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A step program as a folder: what was written is read again, and nothing else is.
#include "host/step_program/files.hpp"

#include <functional>

#include "host/data/arrays/array_file.hpp"
#include "host/data/arrays/npy.hpp"
#include "host/data/arrays/npz.hpp"
#include "host/json/json.hpp"
#include "host/program/document.hpp"
#include "tests/data/files.hpp"
#include "tests/support/random_step.hpp"

namespace qloom::test {
namespace {

using json::Json;

struct RefusedStep {
  const char* message;  ///< behind the file's name
  std::function<void(Json&)> edit;
};

class StepFiles : public data::Files {
 protected:
  void SetUp() override {
    data::Files::SetUp();
    step_program::write(made_, folder_);
  }
  [[nodiscard]] std::filesystem::path text() const { return folder_ / "step.json"; }
  [[nodiscard]] std::string refusal() const {
    return data::input_error([&] { static_cast<void>(step_program::read(folder_)); });
  }
  /// The message for the program with this change of its text, whose digest is right.
  [[nodiscard]] std::string refusal_of(const std::function<void(Json&)>& edit) const {
    step_program::write(made_, folder_);
    Json document = Json::parse(data::read_text(text()));
    edit(document);
    document["digest"] = program::digest_of(document);
    data::write_text(text(), document.dump());
    return refusal();
  }

  void expect_refused(const std::vector<RefusedStep>& all) const {
    for (const RefusedStep& one : all) {
      const std::string message = refusal_of(one.edit);
      EXPECT_TRUE(message.starts_with(text().string())) << one.message << ": " << message;
      EXPECT_NE(message.find(one.message), std::string::npos) << one.message << ": " << message;
    }
  }

  step_program::Program made_ = random_step(11);
};

TEST_F(StepFiles, GiveBackWhatWasWritten) {
  EXPECT_EQ(step_program::read(folder_), made_);
  for (std::uint64_t seed = 0; seed < 15; ++seed) {
    const step_program::Program random = random_step(seed);
    ASSERT_EQ(step_program::fault_of(random), "") << seed;
    step_program::write(random, folder_);
    EXPECT_EQ(step_program::read(folder_), random) << seed;
  }
}

TEST_F(StepFiles, AreTheSameBytesForTheSameProgram) {
  step_program::write(step_program::read(folder_), folder_ / "again");
  for (const char* file : {"step.json", "step.npz"}) {
    EXPECT_EQ(data::read_bytes(folder_ / "again" / file), data::read_bytes(folder_ / file));
  }
}

TEST_F(StepFiles, AreRefusedWhenAnyBitOfThemIsAnother) {
  for (const char* name : {"step.json", "step.npz"}) {
    const auto file = folder_ / name;
    const data::Bytes sound = data::read_bytes(file);
    for (std::size_t i = 0; i < sound.size(); i += 257) {
      data::Bytes flipped = sound;
      flipped[i] ^= static_cast<std::uint8_t>(1U << i % 8);
      data::write_bytes(file, flipped);
      EXPECT_NE(refusal(), "") << file << ", byte " << i;
    }
    data::write_bytes(file, std::span(sound).first(sound.size() - 5));
    EXPECT_NE(refusal(), "");
    std::filesystem::remove(file);
    EXPECT_TRUE(refusal().starts_with(file.string())) << refusal();
    data::write_bytes(file, sound);
  }
  EXPECT_EQ(step_program::read(folder_), made_);
}

/// Place of an operation of this kind in a section.
std::size_t place_of(const Json& section, const char* op) {
  std::size_t i = 0;
  while (section[i]["op"] != op) ++i;
  return i;
}

Json& op_of(Json& document, const char* section, const char* op) {
  return document[section][place_of(document[section], op)];
}

TEST_F(StepFiles, AreRefusedWithThePlaceOfTheFault) {
  expect_refused(
      {{"/format: 3 is newer than 2", [](Json& d) { d["format"] = 3; }},
       {"/batch: 0", [](Json& d) { d["batch"] = 0; }},
       {"/images: no tensor \"x1\"", [](Json& d) { d["images"] = "x1"; }},
       {"/logits: \"pool\" is no vector", [](Json& d) { d["logits"] = "pool"; }},
       {"name: \"images\" stands twice", [](Json& d) { d["tensors"].push_back(d["tensors"][0]); }},
       {"/tensors/0/shape: ",
        [](Json& d) {
          d["tensors"][0]["shape"] = {4, 4};
        }},
       {"/tensors/0/type", [](Json& d) { d["tensors"][0]["type"] = "u65"; }},
       {"/parameters/0/next: \"x\" is not written by an update",
        [](Json& d) { d["parameters"][0]["next"] = "x"; }},
       {"/forward/0/out: \"images\" is written already",
        [](Json& d) { d["forward"][0]["out"] = "images"; }},
       {"/forward/0/in/0: \"pool\" is written later",
        [](Json& d) { d["forward"][0]["in"] = {"pool"}; }},
       {"/forward/2/groups: ", [](Json& d) { op_of(d, "forward", "conv")["groups"] = 7; }},
       {"/forward/2/kernel: the window has another number",
        [](Json& d) {
          op_of(d, "forward", "conv")["pad"] = {9, 9, 9, 9};
        }},
       {"/backward/0: missing key \"one\"",
        [](Json& d) { op_of(d, "backward", "subtract_label").erase("one"); }},
       {"/in/1: \"images\" is not the exponent of",
        [](Json& d) { op_of(d, "backward", "normalise")["in"][1] = "images"; }},
       {"/rates: expected the first one at step 0",
        [](Json& d) { op_of(d, "update", "stochastic")["rates"][0]["step"] = 1; }},
       {"/random_bits: ", [](Json& d) { op_of(d, "update", "stochastic")["random_bits"] = 33; }},
       {"/initial: ", [](Json& d) { op_of(d, "update", "update")["low"] = 100; }},
       {"/update/",
        [](Json& d) {
          op_of(d, "update", "update")["in"] = {"dense.dw", "conv.dw"};
        }},
       {"takes values from", [](Json& d) { d["batch"] = 60000; }}});
}

TEST_F(StepFiles, AreRefusedWithARegisterThatIsNone) {
  expect_refused({{"/lfsr/state: 0",
                   [](Json& d) {
                     op_of(d, "update", "stochastic")["lfsr"] = {{"state", 0}, {"start", "run"}};
                   }},
                  {"/random_bits: 17, expected 1 to 16", [](Json& d) {
                     Json& op = op_of(d, "update", "stochastic");
                     op["lfsr"] = {{"state", 1}, {"start", "fixed"}};
                     op["random_bits"] = 17;
                   }}});
}

/// Format 1 had no registers; all else is the same.
TEST_F(StepFiles, OfTheFirstFormatAreRead) {
  for (step_program::Op& op : made_.ops) op.lfsr.reset();
  step_program::write(made_, folder_);
  Json document = Json::parse(data::read_text(text()));
  document["format"] = 1;
  document["digest"] = program::digest_of(document);
  data::write_text(text(), document.dump());
  EXPECT_EQ(step_program::read(folder_), made_);
}

TEST_F(StepFiles, AreRefusedWithArraysThatNobodyNames) {
  const std::string message =
      refusal_of([](Json& d) { d["parameters"][0]["initial"] = d["parameters"][1]["initial"]; });
  EXPECT_NE(message.find("shape"), std::string::npos) << message;
}

}  // namespace
}  // namespace qloom::test
