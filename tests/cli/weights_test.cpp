// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Arrays of other types, shapes and names as starting weights and in checkpoints: taken as they are
// meant, or refused by name; never taken for absent.
#include "host/data/file.hpp"
#include "tests/support/small_run.hpp"

namespace qloom::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeight = "parameter/d/weight";

class Weights : public SmallRun {
 protected:
  void SetUp() override {
    SmallRun::SetUp();
    write("r.json", R"({"name": "rules", "data": {"dataset": "numpy", "train_file": "train.npz",
        "test_file": "test.npz", "batch_size": 16}, "model": {"inline": {"layers": [
          {"name": "d", "type": "dense", "units": 8, "bias": false}, {"name": "n", "type": "norm"},
          {"name": "r", "type": "relu"}, {"name": "e", "type": "dense", "units": "classes"}]}},
        "rules": [{"site": "weight", "quantizer": {"plugin": "lsq", "bits": 8}},
                  {"site": "activation", "quantizer": {"plugin": "affine", "bits": 8},
                   "range": {"plugin": "moving_average_min_max"}}],
        "procedures": [{"plugin": "swalp", "start_epoch": 0, "cycle_steps": 4}],
        "stages": [{"train": {"epochs": 2}}, {"evaluate": {}}]})");
  }
  /// Arrays of a run's checkpoint.
  data::Arrays trained(const std::string& pipeline) {
    const Outcome o = qloom({"run", pipeline, "--output", "base"});
    EXPECT_EQ(o.status, 0) << o.err;
    return data::read_npz(folder_ / "base/checkpoint.npz");
  }
  Outcome run_with(const data::Arrays& weights) {
    data::write_npz(folder_ / "w.npz", weights);
    return qloom({"run", "p.json", "--output", "out", "--set", "/model/weights=w.npz", "--set",
                  R"(/stages=[{"evaluate": {}}])", "--set", "/rules=[]"});
  }
  /// Fails unless the run is refused with the text and has written nothing.
  void expect_refusal(const data::Arrays& weights, const std::string& text) {
    const Outcome o = run_with(weights);
    EXPECT_EQ(o.status, 2) << o.err;
    EXPECT_NE(o.err.find(text), std::string::npos) << text << "\n" << o.err;
    EXPECT_FALSE(fs::exists(folder_ / "out"));
  }
};

template <class T>
std::vector<T> as(const data::Array& array) {
  const auto& values = std::get<std::vector<float>>(array.values);
  return {values.begin(), values.end()};
}

TEST_F(Weights, Float64IsTheSameAsFloat32) {
  data::Arrays arrays = trained("p.json");
  ASSERT_EQ(run_with(arrays).status, 0);
  const Json expected = json("out/report.json");
  for (auto& [name, array] : arrays) {
    if (name.starts_with("parameter/")) array.values = as<double>(array);
  }
  const Outcome o = run_with(arrays);
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_EQ(o.err.find("warning"), std::string::npos) << o.err;
  EXPECT_EQ(json("out/report.json")["final"], expected["final"]);
  EXPECT_EQ(json("out/report.json")["warnings"], Json::array());
}

TEST_F(Weights, RoundedFloat64IsCountedOnceInOutputAndReport) {
  data::Arrays arrays = trained("p.json");
  std::vector<double> values = as<double>(arrays[kWeight]);
  values[3] += values[3] * 0x1p-40;
  arrays[kWeight].values = values;
  const Outcome o = run_with(arrays);
  ASSERT_EQ(o.status, 0) << o.err;
  const std::string text =
      "1 of 16 float64 values are no float32 numbers and were rounded to the nearest";
  EXPECT_NE(o.err.find("warning: w.npz: " + text), std::string::npos) << o.err;
  EXPECT_EQ(json("out/report.json")["warnings"],
            Json::array({{{"where", "w.npz"}, {"what", text}}}));
}

TEST_F(Weights, IntegersAreUsedAndThoseBeyondFloat32Refused) {
  data::Arrays arrays = trained("p.json");
  arrays[kWeight].values = std::vector<float>(16, 3);
  ASSERT_EQ(run_with(arrays).status, 0);
  const Json expected = json("out/report.json")["final"];
  arrays[kWeight].values = std::vector<std::int32_t>(16, 3);
  ASSERT_EQ(run_with(arrays).status, 0);
  EXPECT_EQ(json("out/report.json")["final"], expected);
  fs::remove_all(folder_ / "out");
  arrays[kWeight].values = std::vector<std::int64_t>(16, (1 << 24) + 1);
  expect_refusal(arrays, "w.npz: array \"parameter/d/weight\": element [0, 0, 0, 0] is 16777217");
  arrays[kWeight].values = std::vector<double>(16, 1e300);
  expect_refusal(arrays, "w.npz: array \"parameter/d/weight\": element [0, 0, 0, 0] is 1e+300");
}

TEST_F(Weights, AMissingOrOtherwiseShapedArrayIsRefusedWithTheNearestName) {
  const data::Arrays arrays = trained("p.json");
  data::Arrays changed = arrays;
  changed["parameter/f/weight"] = changed[kWeight];
  changed.erase(kWeight);
  expect_refusal(changed, "array \"parameter/d/weight\" is missing, expected float32 ");
  expect_refusal(changed, "did you mean \"parameter/f/weight\"?");
  changed = arrays;
  changed[kWeight].shape = {16};
  expect_refusal(changed, "array \"parameter/d/weight\" is float32 (16,), expected float32 (");
}

TEST_F(Weights, StatisticsOfANormAreRefusedInAnotherTypeAndMissedInWords) {
  const data::Arrays arrays = trained("p.json");
  data::Arrays changed = arrays;
  changed["norm/n/running_mean"] = {{8}, std::vector<float>(8, 1)};
  expect_refusal(changed, "array \"norm/n/running_mean\" is float32 (8,), expected float64");
  changed = arrays;
  changed["norm/n/running_mean"] = {{3}, std::vector<double>(3, 1)};
  expect_refusal(changed, "w.npz: arrays \"norm/n/*\"");
  changed = arrays;
  changed.erase("norm/n/@version");
  expect_refusal(changed, "array \"norm/n/@version\" is missing, expected int32 (1,)");
  changed = arrays;
  std::erase_if(changed, [](const auto& e) { return e.first.starts_with("norm/"); });
  const Outcome o = run_with(changed);
  EXPECT_EQ(o.status, 0) << o.err;
  EXPECT_NE(o.err.find("warning: w.npz: has no arrays \"norm/n/*\""), std::string::npos) << o.err;
}

TEST_F(Weights, ArraysThatMatchNothingAreNamed) {
  data::Arrays arrays = trained("p.json");
  arrays["parameter/e/weigth"] = arrays["parameter/e/weight"];
  arrays["norm/n/runing_mean"] = arrays["norm/n/running_mean"];
  const Outcome o = run_with(arrays);
  ASSERT_EQ(o.status, 0) << o.err;
  EXPECT_NE(
      o.err.find("array \"parameter/e/weigth\": matches nothing in the model and is not used, "
                 "did you mean \"parameter/e/weight\"?"),
      std::string::npos)
      << o.err;
  EXPECT_NE(o.err.find("array \"norm/n/runing_mean\": is none of the norm's arrays"),
            std::string::npos)
      << o.err;
  EXPECT_EQ(json("out/report.json")["warnings"].size(), 2U);
}

TEST_F(Weights, StateOfSitesIsRefusedInAnotherTypeAndWithoutItsList) {
  const data::Arrays arrays = trained("r.json");
  data::Arrays changed = arrays;
  changed["site/weight/d/site/flags"] = {{3}, std::vector<std::int64_t>(3, 1)};
  expect_refusal(changed, "array \"site/weight/d/site/flags\" is int64 (3,), expected int32 (3,)");
  changed = arrays;
  changed.erase("site/weight/d/learned/step");
  expect_refusal(changed, "array \"site/weight/d/learned/step\" is missing, expected float32 (1,)");
  changed = arrays;
  changed.erase("@meta");
  expect_refusal(changed, "array \"@meta\" is missing");
}

class Resume : public Weights {
 protected:
  /// A run with every kind of state, stopped before its last stage is done.
  void SetUp() override {
    Weights::SetUp();
    arrays_ = trained("r.json");
  }
  /// The array of another type, cut, empty and missing: refused by name, nothing changed.
  void expect_checked(const std::string& name) {
    ASSERT_TRUE(arrays_.contains(name)) << name;
    const data::Array& array = arrays_[name];
    const std::size_t n =
        std::visit([](const auto& values) { return values.size(); }, array.values);
    data::Arrays changed = arrays_;
    if (!std::holds_alternative<std::vector<std::uint8_t>>(array.values)) {
      changed[name] = {array.shape, std::vector<std::uint8_t>(n, 1)};
      expect_refusal(changed, name, "is uint8");
    }
    changed[name] = array;
    std::visit([](auto& values) { values.resize(values.size() + 1); }, changed[name].values);
    changed[name].shape = {static_cast<std::int64_t>(n + 1)};
    expect_refusal(changed, name, "");
    if (n > 0) {
      std::visit([](auto& values) { values.clear(); }, changed[name].values);
      changed[name].shape = {0};
      expect_refusal(changed, name, "");
    }
  }
  void expect_refusal(const data::Arrays& changed, const std::string& name,
                      const std::string& text) {
    const fs::path file = folder_ / "base/checkpoint.npz";
    data::write_npz(file, changed);
    const std::string before = this->text("base/report.json");
    const data::Bytes bytes = data::read_bytes(file);
    const Outcome o = qloom({"run", "r.json", "--output", "base", "--resume"});
    EXPECT_EQ(o.status, 2) << name << ": " << o.err;
    EXPECT_NE(o.err.find("base/checkpoint.npz: array"), std::string::npos) << name << o.err;
    EXPECT_NE(o.err.find(name), std::string::npos) << name << "\n" << o.err;
    EXPECT_NE(o.err.find(text), std::string::npos) << name << "\n" << o.err;
    EXPECT_EQ(this->text("base/report.json"), before);
    EXPECT_EQ(data::read_bytes(file), bytes);
  }
  data::Arrays arrays_;
};

TEST_F(Resume, ChecksTheOptimizersState) {
  expect_checked("velocity/d/weight");
  expect_checked("shadow/d/weight");
  expect_checked("learned/weight/d/step/velocity");
  expect_checked("learned/weight/d/step/second");
}

TEST_F(Resume, ChecksTheStateOfSites) {
  for (const char* array : {"site/flags", "site/versions", "learned/step", "quantizer/step"}) {
    expect_checked(std::string("site/weight/d/") + array);
  }
  expect_checked("site/activation/e/site/ranges");
  expect_checked("site/activation/e/range/lo");
}

TEST_F(Resume, ChecksNormsAndParameters) {
  expect_checked("norm/n/@version");
  expect_checked("norm/n/running_mean");
  expect_checked("parameter/d/weight");
}

}  // namespace
}  // namespace qloom::test
