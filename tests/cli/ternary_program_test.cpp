// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Integer programs of weights that are -n, 0 and p: two sums that a requantizer joins.
#include <cstdlib>

#include "tests/support/integer_program.hpp"

namespace qloom::test {
namespace {

class TernaryProgram : public IntegerProgram {
 protected:
  static Json rules(const char* granularity) {
    Json all = Json::parse(R"([
        {"site": "weight", "quantizer": {"plugin": "ttq", "initial": "mean"}},
        {"site": "input", "quantizer": {"plugin": "affine", "bits": 5}},
        {"site": "output", "layers": ["c1", "c2"], "quantizer": {"plugin": "affine", "bits": 6},
         "range": {"plugin": "moving_average_min_max"}, "requantizer": {"plugin": "multiplier"}},
        {"site": "logits", "quantizer": {"plugin": "affine", "bits": 10},
         "range": {"plugin": "moving_average_min_max"}, "requantizer": {"plugin": "multiplier"}}])");
    all[0]["quantizer"]["granularity"] = granularity;
    return all;
  }
  void train(const Json& rules) {
    run({{"rules", rules},
         {"stages",
          {{{"train", {{"epochs", 1}, {"optimizer", {{"type", "sgd"}, {"learning_rate", 0.01}}}}}},
           {{"evaluate", Json::object()}}}}});
  }
  [[nodiscard]] int shell(const std::string& command) const {
    return std::system(("cd '" + folder_.string() + "' && " + command).c_str());
  }
};

TEST_F(TernaryProgram, JoinsTwoSumsOfEachLayer) {
  for (const char* granularity : {"tensor", "channel"}) {
    train(rules(granularity));
    const Outcome o = compile();
    ASSERT_EQ(o.status, 0) << o.err;
    const Outcome diff = qloom({"diff", "run", "program"});
    EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
    for (const char* tensor : {"c1.positive.sum", "c2.negative.sum", "d.positive.sum", "logits"}) {
      EXPECT_NE(diff.out.find(tensor), std::string::npos) << diff.out;
    }
    for (const char* row : {"c2.positive  conv", "r2           join", "logits       join"}) {
      EXPECT_NE(o.out.find(row), std::string::npos) << o.out;
    }
    const Outcome other = qloom({"diff", "run", "program"}, {{"QLOOM_ISA", "scalar"}});
    EXPECT_EQ(other.status, 0) << other.out << other.err;
  }
}

TEST_F(TernaryProgram, IsTheSameInCAndVerilog) {
  train(rules("channel"));
  ASSERT_EQ(compile().status, 0);
  ASSERT_EQ(qloom({"export", "program", "--format", "c", "--output", "c"}).status, 0);
  std::string images;
  for (int i = 0; i < 3 * 28 * 28; ++i) images += static_cast<char>(i * i % 251 + i % 5);
  write("c/samples", images);
  ASSERT_EQ(shell("cd c && cc -std=c99 -O1 -DMODEL_TRACE model.c model_main.c -o traced && "
                  "./traced trace.bin <samples >outputs"),
            0);
  const Outcome diff = qloom({"diff", "program", "c/trace.bin"});
  EXPECT_EQ(diff.status, 0) << diff.out << diff.err;
  EXPECT_NE(diff.out.find("c2.negative.sum"), std::string::npos) << diff.out;
  const Outcome verilog =
      qloom({"export", "program", "--format", "verilog", "--output", "verilog", "--lanes", "4"});
  ASSERT_EQ(verilog.status, 0) << verilog.err;
  ASSERT_EQ(shell("make -C verilog verilator OPTIMIZATION=-O0 OBJCACHE=ccache ARGS=+trace "
                  ">made 2>&1"),
            0);
  const Outcome traced = qloom({"diff", "program", "verilog"});
  EXPECT_EQ(traced.status, 0) << traced.out << traced.err;
  EXPECT_NE(traced.out.find("c2.negative.sum"), std::string::npos) << traced.out;
}

TEST_F(TernaryProgram, NamesTheRequantizerThatIsMissing) {
  Json all = rules("channel");
  all[2].erase("requantizer");
  all.erase(3);
  train(all);
  const Outcome o = compile();
  EXPECT_EQ(o.status, 2);
  const std::string end =
      R"("quantizer": {"plugin": "affine", "bits": 8}, "requantizer": {"plugin": "multiplier"}})";
  for (const char* place :
       {R"({"site": "output", "layers": ["c1"], )", R"({"site": "output", "layers": ["c2"], )",
        R"({"site": "logits", "layers": ["d"], )"}) {
    EXPECT_NE(o.err.find(place + end), std::string::npos) << o.err;
  }
}

}  // namespace
}  // namespace qloom::test
