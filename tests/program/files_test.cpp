// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program as a folder: what was written is read again, and nothing else is.
#include "host/program/files.hpp"

#include <functional>

#include "host/data/arrays/array_file.hpp"
#include "host/data/arrays/npy.hpp"
#include "host/data/arrays/npz.hpp"
#include "host/data/hash.hpp"
#include "host/json/json.hpp"
#include "host/program/document.hpp"
#include "host/tensor/error.hpp"
#include "tests/data/files.hpp"
#include "tests/program/small.hpp"
#include "tests/support/random_program.hpp"

namespace qloom::test {
namespace {

using data::Bytes;
using json::Json;
using Edit = std::function<void(Json&)>;
using Members = std::map<std::string, Bytes>;

class ProgramFiles : public data::Files {
 protected:
  void SetUp() override {
    data::Files::SetUp();
    made_ = program_of_all_parts();
    write(made_, folder_);
  }

  /// A conv, then a map with constants for each channel and a clamp.
  static program::Program program_of_all_parts() {
    program::Program made = small_conv();
    made.origin = {.name = "small", .configuration = "1234", .checkpoint = "abcd"};
    made.tensors[1].scale = {0.1};
    made.ops[0].window.out_c = 2;
    made.ops[0].weights = {1, 2, 3, -4, 100, 2, 3, -4};
    made.tensors[1].channels = 2;
    made.tensors[1].scale = {0.1, 1e-300};
    made.tensors.push_back(tensor_of("z", {2, 2, 2}, kU8, 100));
    made.tensors[2].scale = {1.0 / 3};
    program::Op map;
    map.name = "map";
    map.kind = program::Kind::kMap;
    map.inputs = {1};
    map.output = 2;
    map.steps = {step_of(steps::Op::kMultiply, {12345, -700}), step_of(steps::Op::kAdd, {7}),
                 step_of(steps::Op::kShiftRight, {4}, 1, steps::Rounding::kNearestEven),
                 step_of(steps::Op::kClamp, {0, 255}, 2)};
    made.ops.push_back(map);
    made.outputs = {2};
    return made;
  }

  [[nodiscard]] std::filesystem::path text() const { return folder_ / "program.json"; }
  [[nodiscard]] std::filesystem::path arrays() const { return folder_ / "program.npz"; }
  [[nodiscard]] std::string refusal() const {
    return data::input_error([&] { static_cast<void>(program::read(folder_)); });
  }

  /// The message for the program with this change of its text, whose digest is right.
  [[nodiscard]] std::string refusal_of(const Edit& edit) const {
    write(made_, folder_);
    edit_text(edit);
    return refusal();
  }
  void edit_text(const Edit& edit) const {
    Json document = Json::parse(data::read_text(text()));
    edit(document);
    document["digest"] = program::digest_of(document);
    data::write_text(text(), document.dump());
  }
  /// The same for its arrays.
  [[nodiscard]] std::string refusal_of(const std::function<void(Members&)>& edit) const {
    write(made_, folder_);
    Members members = data::read_members(arrays());
    edit(members);
    data::write_bytes(arrays(), data::zip_bytes(members));
    edit_text([&](Json& document) {
      const data::FileHash hash = data::hash_file(arrays());
      document["constants"]["bytes"] = hash.bytes;
      document["constants"]["digest"] = hash.digest;
    });
    return refusal();
  }

  program::Program made_;
};

TEST_F(ProgramFiles, GiveBackWhatWasWritten) {
  EXPECT_EQ(program::read(folder_), made_);
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const program::Program random = random_program(seed, {.has_floats = seed % 2 == 1});
    write(random, folder_);
    EXPECT_EQ(program::read(folder_), random) << "seed " << seed;
  }
}

TEST_F(ProgramFiles, AreTheSameBytesForTheSameProgram) {
  const Bytes json = data::read_bytes(text()), npz = data::read_bytes(arrays());
  write(program::read(folder_), folder_ / "deeper" / "again");
  EXPECT_EQ(data::read_bytes(folder_ / "deeper" / "again" / "program.json"), json);
  EXPECT_EQ(data::read_bytes(folder_ / "deeper" / "again" / "program.npz"), npz);
}

TEST_F(ProgramFiles, KeepIntegersOf64BitsAndBitsOfScales) {
  made_.tensors[0].zero_point = -(std::int64_t{1} << 62);
  made_.tensors[0].scale = {0.1 + 0.2};
  made_.ops.clear();
  made_.tensors.resize(1);
  made_.outputs = {0};
  write(made_, folder_);
  EXPECT_EQ(program::read(folder_), made_);
}

TEST_F(ProgramFiles, AreRefusedWhenAnyBitOfThemIsAnother) {
  for (const auto& file : {text(), arrays()}) {
    const Bytes sound = data::read_bytes(file);
    for (std::size_t i = 0; i < sound.size(); i += 3) {
      Bytes flipped = sound;
      flipped[i] ^= static_cast<std::uint8_t>(1U << i % 8);
      static_cast<void>(put(file.filename(), flipped));
      EXPECT_NE(refusal(), "") << file << ", bit " << i % 8 << " of byte " << i;
    }
    data::write_bytes(file, std::span(sound).first(sound.size() - 9));
    EXPECT_NE(refusal(), "") << file;
    std::filesystem::remove(file);
    EXPECT_TRUE(refusal().starts_with(file.string())) << refusal();
    data::write_bytes(file, sound);
  }
  EXPECT_EQ(program::read(folder_), made_);
}

TEST_F(ProgramFiles, AreRefusedWithTheConstantsOfAnotherProgram) {
  const Bytes json = data::read_bytes(text());
  made_.ops[0].weights[0] = 5;
  write(made_, folder_);
  data::write_bytes(text(), json);
  const std::string message = refusal();
  EXPECT_TRUE(message.starts_with(arrays().string() + ": ")) << message;
  EXPECT_NE(message.find("with the digest"), std::string::npos) << message;
  EXPECT_NE(message.find("/constants"), std::string::npos) << message;
}

TEST_F(ProgramFiles, AreRefusedWithMoreStepsThanAChainMayHaveWithoutALookAtThem) {
  const std::string message = refusal_of([](Json& d) {
    d["ops"][1]["steps"] = Json::array();
    for (int i = 0; i < 1025; ++i) d["ops"][1]["steps"].push_back({{"do", "never"}});
  });
  EXPECT_TRUE(message.starts_with(text().string() + ": /ops/1/steps: ")) << message;
  EXPECT_NE(message.find("has 1025 items; expected at most 1024"), std::string::npos) << message;
}

struct Refused {
  const char* message;  ///< behind the file's name
  Edit edit;
};

TEST_F(ProgramFiles, NameThePlaceInTheText) {
  const std::vector<Refused> cases = {
      {"/format: 2 is newer than 1", [](Json& d) { d["format"] = 2; }},
      {"/format: 0", [](Json& d) { d["format"] = 0; }},
      {"/inputs", [](Json& d) { d["inputs"] = "x"; }},
      {"missing key \"ops\"", [](Json& d) { d.erase("ops"); }},
      {"/tensors/0/type: ", [](Json& d) { d["tensors"][0]["type"] = "u65"; }},
      {"/tensors/0/type: ", [](Json& d) { d["tensors"][0]["type"] = "int8"; }},
      {"/tensors/0/zero_point: 9223372036854775808 is above the maximum 9223372036854775807",
       [](Json& d) { d["tensors"][0]["zero_point"] = 9223372036854775808U; }},
      {"/tensors/0/zero_point: ", [](Json& d) { d["tensors"][0]["zero_point"] = 0.5; }},
      {"/tensors/0/shape", [](Json& d) { d["tensors"][0]["shape"] = {9}; }},
      {"/input: no tensor \"xx\", did you mean \"x\"?", [](Json& d) { d["input"] = "xx"; }},
      {"/outputs/0: no tensor \"q\"", [](Json& d) { d["outputs"][0] = "q"; }},
      {"/ops/1/in/0: no tensor", [](Json& d) { d["ops"][1]["in"][0] = "why"; }},
      {"/ops/1/out: no tensor", [](Json& d) { d["ops"][1]["out"] = "why"; }},
      {"/ops/0/op: ", [](Json& d) { d["ops"][0]["op"] = "convolution"; }},
      {"/ops/0/", [](Json& d) { d["ops"][0]["steps"] = Json::array(); }},
      {"/ops/0", [](Json& d) { d["ops"][0].erase("stride"); }},
      {"/ops/1/steps/1/rounding", [](Json& d) { d["ops"][1]["steps"][1]["rounding"] = "zero"; }},
      {"/ops/1/steps/2", [](Json& d) { d["ops"][1]["steps"][2].erase("rounding"); }},
      {"/ops/1/steps/3", [](Json& d) { d["ops"][1]["steps"][3].erase("low"); }},
      {"/ops/1/steps/1: expected either", [](Json& d) { d["ops"][1]["steps"][1].erase("value"); }},
      {"/ops/1/steps/0: expected either", [](Json& d) { d["ops"][1]["steps"][0]["value"] = 1; }},
      {"/ops/1/steps/1/do: ", [](Json& d) { d["ops"][1]["steps"][1]["do"] = "sub"; }},
      {"/ops/0/accumulator/bits: ", [](Json& d) { d["ops"][0]["accumulator"]["bits"] = 64; }},
      // What fault_of() says:
      {"/tensors/2/name: \"x\" stands twice",
       [](Json& d) { d["tensors"][2]["name"] = d["ops"][1]["out"] = d["outputs"][0] = "x"; }},
      {"/ops/0/accumulator/bits: 10, expected at least",
       [](Json& d) { d["ops"][0]["accumulator"]["bits"] = 10; }},
      {"/ops/1/out: \"z\" gets", [](Json& d) { d["ops"][1]["steps"][3]["high"] = 256; }},
      {"/ops/0/kernel: 4 x 4 with its dilation",
       [](Json& d) {
         d["ops"][0]["dilation"] = {3, 3};
       }},
  };
  for (const Refused& one : cases) {
    const std::string message = refusal_of(one.edit);
    EXPECT_TRUE(message.starts_with(text().string() + ": " + one.message)) << message;
  }
}

TEST_F(ProgramFiles, SayWhetherAllStepsAreOnIntegers) {
  const std::string begin = text().string() + ": /is_integer: ";
  const Edit deny = [](Json& d) { d["is_integer"] = false; };
  EXPECT_TRUE(refusal_of(deny).starts_with(begin + "false, but no operation has a step float"));
  steps::Step scale;
  scale.op = steps::Op::kFloatScale;
  scale.factors = {0.25F};
  made_.ops[1].steps.insert(made_.ops[1].steps.begin(), scale);
  write(made_, folder_);
  EXPECT_EQ(program::read(folder_), made_);
  const Edit edit = [](Json& d) { d.erase("is_integer"); };  // as files of before: true
  EXPECT_TRUE(refusal_of(edit).starts_with(begin + "true, but \"" + made_.ops[1].name +
                                           "\" has a step float_scale"))
      << refusal_of(edit);
  try {
    require_integer(made_, "--require-integer");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(error.what(),
              "--require-integer: 1 operation computes in floating point, expected "
              "integers alone\n  " +
                  made_.ops[1].name + ": step float_scale");
  }
}

TEST_F(ProgramFiles, NameTheWrongDigest) {
  Json document = Json::parse(data::read_text(text()));
  document["ops"][1]["steps"][1]["value"] = 8;
  data::write_text(text(), document.dump());
  const std::string message = refusal();
  EXPECT_TRUE(message.starts_with(text().string() + ": /digest: ")) << message;
  EXPECT_NE(message.find(program::digest_of(document)), std::string::npos) << message;
}

/// An array of one byte each.
Bytes bytes_array(const Shape& shape, std::size_t count) {
  return data::npy_bytes({shape, std::vector<std::uint8_t>(count)});
}

TEST_F(ProgramFiles, NameTheArray) {
  const struct {
    const char* message;
    std::function<void(Members&)> edit;
  } cases[] = {
      {"no array \"op.weights\"", [](Members& m) { m.erase("op.weights"); }},
      {"no array \"map.steps.0\"", [](Members& m) { m.erase("map.steps.0"); }},
      {"no array \"y.scale\"", [](Members& m) { m.erase("y.scale"); }},
      {"no array \"format\"", [](Members& m) { m.erase("format"); }},
      {"member \"surplus.npy\": an array that the program does not name",
       [](Members& m) { m["surplus"] = bytes_array({1}, 1); }},
      {"member \"format.npy\": another number",
       [](Members& m) { m["format"] = bytes_array({1}, 1); }},
      {"member \"op.weights.npy\": shape (2, 4), expected 4 axes",
       [](Members& m) {
         m["op.weights"] = bytes_array({2, 4}, 8);
       }},
      {"member \"op.weights.npy\": shape (1, 2, 2, 2), expected (2, 2, 2, 1)",
       [](Members& m) {
         m["op.weights"] = bytes_array({1, 2, 2, 2}, 8);
       }},
      {"member \"op.weights.npy\": element type '<f8'",
       [](Members& m) {
         m["op.weights"] = data::npy_bytes({{2, 2, 2, 1}, std::vector<double>(8)});
       }},
      {"member \"y.scale.npy\": shape (2,), expected a list of float64",
       [](Members& m) { m["y.scale"] = bytes_array({2}, 2); }},
      {"member \"map.steps.0.npy\": truncated", [](Members& m) { m["map.steps.0"].pop_back(); }},
  };
  for (const auto& one : cases) {
    const std::string message = refusal_of(one.edit);
    EXPECT_TRUE(message.starts_with(arrays().string() + ": " + one.message)) << message;
  }
}

TEST_F(ProgramFiles, NameThePlaceWhoseArrayIsWrong) {
  const std::string message = refusal_of([](Members& m) {
    m["op.weights"] = data::npy_bytes({{2, 2, 2, 1}, std::vector<std::int64_t>(8, 1LL << 40)});
  });
  EXPECT_TRUE(message.starts_with(text().string() + ": /ops/0/weights: 1099511627776")) << message;
  const std::string groups = refusal_of([](Members& m) {
    m["map.steps.0"] = bytes_array({3, 1}, 3);
  });
  EXPECT_TRUE(groups.starts_with(text().string() + ": /ops/1/steps/0: constants for 3")) << groups;
  const std::string none = refusal_of([](Members& m) {
    m["map.steps.0"] = bytes_array({3, 0}, 0);
  });
  EXPECT_TRUE(none.starts_with(text().string() + ": /ops/1/steps/0: 0 constants")) << none;
}

}  // namespace
}  // namespace qloom::test
