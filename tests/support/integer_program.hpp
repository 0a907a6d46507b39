// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A small network that is trained and compiled in a folder of its own.
#pragma once

#include <string>

#include "tests/support/program.hpp"

namespace qloom::test {

class IntegerProgram : public Program {
 protected:
  static Json pipeline() {
    return Json::parse(R"({"name": "p",
        "data": {"dataset": "fashion-mnist", "batch_size": 64, "train_limit": 640,
                 "test_limit": 150},
        "model": {"inline": {"layers": [
          {"name": "c1", "type": "conv", "filters": 4, "kernel": 3, "stride": 2, "padding": "same"},
          {"name": "n1", "type": "norm"}, {"name": "r1", "type": "relu"},
          {"name": "c2", "type": "conv", "filters": 6, "kernel": 3, "padding": "same",
           "bias": false},
          {"name": "n2", "type": "norm"}, {"name": "r2", "type": "relu"},
          {"name": "p2", "type": "max_pool", "kernel": 2}, {"name": "f", "type": "flatten"},
          {"name": "d", "type": "dense", "units": "classes"}]}},
        "rules": [
          {"site": "weight", "quantizer": {"plugin": "affine", "bits": 4, "symmetric": true,
                                           "granularity": "channel"}},
          {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "bits": 5}}],
        "stages": [{"train": {"epochs": 1}}, {"evaluate": {}}]})");
  }
  /// Runs the pipeline with this patch; the run lies in "run".
  void run(const Json& patch = Json::object()) {
    Json p = pipeline();
    p.merge_patch(patch);
    write("p.json", p.dump());
    const Outcome o = qloom({"run", "p.json", "--output", "run"});
    ASSERT_EQ(o.status, 0) << o.err;
  }
  Outcome compile() { return qloom({"compile", "run", "--output", "program"}); }
  /// Compiles; program and run are equal on all test samples.
  std::string expect_equal() {
    const Outcome o = compile();
    EXPECT_EQ(o.status, 0) << o.err;
    const Outcome diff = qloom({"diff", "run", "program"});
    EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
    EXPECT_NE(diff.out.find("c2.sum"), std::string::npos) << diff.out;
    return o.out;
  }
  void expect_refused(const std::string& reason) {
    const Outcome o = compile();
    EXPECT_EQ(o.status, 2);
    EXPECT_NE(o.err.find(reason), std::string::npos) << o.err;
    EXPECT_FALSE(std::filesystem::exists(folder_ / "program" / "program.json"));
  }
};

}  // namespace qloom::test
