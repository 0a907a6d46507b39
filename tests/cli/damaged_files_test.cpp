// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Files that are cut, whose bytes are changed, or whose values are of another type: taken, or
// refused with a message; never an exception from below.
#include "host/data/arrays/npz.hpp"
#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

class DamagedFiles : public SmallRun {
 protected:
  void expect_outcome(const std::vector<std::string>& command, const std::string& what) {
    const Outcome o = qloom(command);
    EXPECT_TRUE(o.status >= 0 && o.status <= 2) << what << ": " << o.status << " " << o.err;
    EXPECT_EQ(o.err.find("internal error"), std::string::npos) << what << ": " << o.err;
  }
  /// The command with the file cut and with changed bytes at places that a seed tells.
  void expect_takes_damage(const std::string& name, const std::vector<std::string>& command) {
    const data::Bytes whole = data::read_bytes(folder_ / name);
    for (std::uint64_t i = 0; i < 8; ++i) {
      const auto place = random_word(7, stream_id(name), 0, 2 * i) % whole.size();
      data::Bytes damaged = whole;
      if (i % 2 == 0) {
        damaged.resize(place);
      } else {
        const auto change = 1 + random_word(7, stream_id(name), 0, 2 * i + 1) % 255;
        damaged[place] ^= static_cast<std::uint8_t>(change);
      }
      data::write_bytes(folder_ / name, damaged);
      expect_outcome(command,
                     name + (i % 2 == 0 ? " cut at " : " changed at ") + std::to_string(place));
    }
    data::write_bytes(folder_ / name, whole);
  }
  /// The command with some values of the JSON file replaced by one of another type.
  void expect_takes_other_types(const std::string& name, const std::vector<std::string>& command) {
    const Json whole = json(name);
    const Json flat = whole.flatten();
    std::size_t i = 0;
    for (const auto& [pointer, value] : flat.items()) {
      static const char* const kOthers[] = {"null", "-1", "\"x\"", "[]", "{}", "true"};
      Json damaged = whole;
      damaged[Json::json_pointer(pointer)] = Json::parse(kOthers[i++ % 6]);
      if (i % (1 + flat.size() / 12) != 0) continue;
      write(name, damaged.dump());
      expect_outcome(command, name + ": " + pointer);
    }
    write(name, whole.dump());
  }
};

TEST_F(DamagedFiles, Pipeline) {
  expect_takes_damage("p.json", {"validate", "p.json"});
  expect_takes_other_types("p.json", {"validate", "p.json"});
}

TEST_F(DamagedFiles, Sweep) {
  write("s.json", R"({"base": "p.json", "seeds": [1],
                     "grid": {"/stages": [[{"evaluate": {}}]], "/rules": [[]]}})");
  const std::vector<std::string> sweep{"sweep", "s.json", "--output", "out"};
  ASSERT_EQ(qloom(sweep).status, 0);
  expect_takes_damage("s.json", sweep);
  expect_takes_other_types("s.json", sweep);
  expect_takes_other_types("out/results.json", sweep);
}

TEST_F(DamagedFiles, DataAndInputsOfApply) {
  expect_takes_damage("train.npz", {"validate", "p.json"});
  write_array("x.npy", {1, 2, 3});
  write("y.json", "[[1, 2.5], [3, -4]]");
  const std::string rule = R"({"quantizer": {"plugin": "affine", "bits": 8}})";
  expect_takes_damage("x.npy", {"apply", rule, "--input", "x.npy", "--output", "z.npy"});
  expect_takes_damage("y.json", {"apply", rule, "--input", "y.json", "--output", "z.npy"});
}

TEST_F(DamagedFiles, CheckpointAndReportOfAnEarlierRun) {
  const std::vector<std::string> resume{"run", "p.json", "--output", "out", "--resume"};
  ASSERT_EQ(qloom(resume).status, 0);
  expect_takes_damage("out/checkpoint.npz", resume);
  expect_takes_other_types("out/report.json", {"report", "out"});
}

TEST_F(DamagedFiles, JsonThatIsNestedWithoutEndIsRefused) {
  write("deep.json", std::string(100'000, '['));
  const Outcome o = qloom({"validate", "deep.json"});
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("levels of arrays and objects"), std::string::npos) << o.err;
}

TEST_F(DamagedFiles, ALayerLargerThanTheMachineIsRefusedBeforeAnythingIsAllocated) {
  const Outcome o =
      qloom({"validate", "p.json", "--set",
             R"(/model/inline/layers=[{"name": "a", "type": "dense", "units": 1048576},
                {"name": "b", "type": "dense", "units": 1048576},
                {"name": "c", "type": "dense", "units": "classes"}])"});
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("/model/inline/layers/1: layer \"b\" has 1099511627776 weights"),
            std::string::npos)
      << o.err;
}

TEST_F(DamagedFiles, ApplyTakesFloat64AndNamesWhatFloat32DoesNotHold) {
  const std::string rule = R"({"quantizer": {"plugin": "affine", "bits": 8}})";
  const auto apply = [&](const std::string& file) {
    return qloom({"apply", rule, "--input", file, "--output", "y.json"});
  };
  const auto put = [&](const data::Array& array) {
    data::write_npz(folder_ / "x.npz", {{"x", array}});
    data::write_bytes(folder_ / "x.npy", data::read_members(folder_ / "x.npz").at("x"));
  };
  put({{2}, std::vector<double>{0.5, 0.1}});
  Outcome o = apply("x.npy");
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.err.find("warning: x.npy: 1 of 2 float64 values"), std::string::npos) << o.err;
  put({{2}, std::vector<std::int32_t>{1, 16777217}});
  o = apply("x.npy");
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("x.npy: element [1] is 16777217"), std::string::npos) << o.err;
  write("i.json", "[1, 16777217]");
  o = apply("i.json");
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("i.json: /1: the integer 16777217"), std::string::npos) << o.err;
  write("i.json", "[1, 1e39]");
  o = apply("i.json");
  EXPECT_EQ(o.status, 2) << o.err;
  EXPECT_NE(o.err.find("i.json: /1: 1e+39 is larger"), std::string::npos) << o.err;
}

}  // namespace
}  // namespace qloom::test
