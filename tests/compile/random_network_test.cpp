// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Programs of random networks whose branches meet: every tensor is the simulation's.
// QLOOM_RANDOM_NETWORKS=<first seed>:<number> takes other seeds.
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "host/compile/simulate.hpp"
#include "host/program/fast/executor.hpp"
#include "tests/support/bench.hpp"
#include "tests/support/random_network.hpp"

namespace qloom::test {
namespace {

struct NetworkSeeds {
  std::uint64_t first = 0, count = 60;
};

NetworkSeeds seeds_wanted() {
  NetworkSeeds seeds;
  const char* const text = std::getenv("QLOOM_RANDOM_NETWORKS");
  if (text == nullptr) return seeds;
  char* end = nullptr;
  seeds.first = std::strtoull(text, &end, 10);
  seeds.count = std::strtoull(end + 1, nullptr, 10);
  return seeds;
}

std::string text_of_refusals(const std::vector<compile::Refusal>& refusals) {
  std::string text;
  for (const auto& r : refusals) text += r.layer + ": " + r.reason + "\n";
  return text;
}

/// Compares every tensor that the simulation has; adds what was seen to `seen`.
void expect_equal_tensors(const RandomNetwork& drawn, std::set<std::string>& seen) {
  Bench bench(drawn.rules, {{"model", {{"inline", drawn.model}}}});
  for (std::uint64_t step = 0; step < 2; ++step) bench.forward(step);
  bench.evaluate();
  const compile::Compiled compiled = compile::compile(bench.network, {});
  ASSERT_TRUE(compiled.refusals.empty()) << text_of_refusals(compiled.refusals);
  const std::vector<program::Values> expected = compile::simulated(compiled, bench.network);
  const program::Program& p = compiled.program;
  const program::Values& input = expected[static_cast<std::size_t>(p.input)];
  const auto made = program::execute(p, input, Bench::kBatch);
  const auto fast = program::Executor(p).trace(input, Bench::kBatch);
  for (std::size_t i = 0; i < made.size(); ++i) {
    ASSERT_EQ(made[i], fast[i]) << p.tensors[i].name << " by the fast executor";
    if (compiled.sources[i].what == compile::Source::What::kLogits) continue;
    ASSERT_FALSE(expected[i].empty()) << p.tensors[i].name;
    ASSERT_EQ(made[i], expected[i]) << p.tensors[i].name;
  }
  for (std::size_t i = 0; i < p.ops.size(); ++i) {
    seen.insert(std::string(program::name_of(p.ops[i].kind)) + " " +
                compiled.findings[i].requantizer);
  }
  for (const auto& node : bench.network.plan.nodes()) {
    if (node->requantized == nullptr || !node->requantized->acts) continue;
    const network::Node& start = *node->requantized->start;
    if (!start.bias_integers.empty()) seen.insert("product bias");
    if (start.planes != nullptr) seen.insert("planes");
    if (start.coded.scale_count > 1) seen.insert("several scales");
  }
  for (const auto& source : compiled.sources) {
    if (source.what == compile::Source::What::kWindows) seen.insert("padded mean");
  }
}

TEST(RandomNetworks, HaveTheSimulationsTensors) {
  const NetworkSeeds seeds = seeds_wanted();
  std::set<std::string> seen;
  for (std::uint64_t seed = seeds.first; seed < seeds.first + seeds.count; ++seed) {
    const RandomNetwork drawn = random_network(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + drawn.model.dump() + "\n" +
                 drawn.rules.dump());
    ASSERT_NO_THROW(expect_equal_tensors(drawn, seen));
    if (HasFatalFailure()) return;
  }
  for (const char* what :
       {"join multiplier", "join ", "concat ", "sum_pool ", "padded mean", "map multiplier",
        "map thresholds", "map table", "max_pool ", "product bias", "planes", "several scales"}) {
    EXPECT_EQ(seen.count(what), 1U) << what << " was in no program";
  }
}

}  // namespace
}  // namespace qloom::test
