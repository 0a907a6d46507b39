// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// State of quantize nodes: it belongs to the reader, changes of other parameters keep it,
// evaluation leaves it alone, and it begins with a tensor that is not 0.
#include <gtest/gtest.h>

#include "host/tensor/error.hpp"
#include "tests/support/bench.hpp"

namespace qloom::test {
namespace {

Json rule(const std::string& site, const Json& layers, const Json& quantizer) {
  return {{"site", site}, {"layers", layers}, {"quantizer", quantizer}};
}
Json from_epoch(Json rule, int epoch) {
  rule["from"] = {{"epoch", epoch}};
  return rule;
}
Json lsq(int bits) { return {{"plugin", "lsq"}, {"bits", bits}}; }
float learned(Bench& bench, const std::string& key, std::size_t index = 0) {
  return bench.site(key).learned().at(index).value[0];
}
void train(Bench& bench, std::uint64_t steps) {
  for (std::uint64_t step = 0; step < steps; ++step) bench.train(step);
}
std::map<std::string, std::vector<float>> floats_of(const data::Arrays& arrays) {
  std::map<std::string, std::vector<float>> all;
  for (const auto& [name, array] : arrays) {
    if (const auto* values = std::get_if<std::vector<float>>(&array.values)) all[name] = *values;
  }
  return all;
}

TEST(SiteState, TwoReadersOfOneNodeKeepTheirKeysAndEachItsStateWhenARulePartsThem) {
  for (const char* leaves : {"left", "right"}) {
    Json other = from_epoch(rule("activation", Json::array({leaves}), lsq(4)), 1);
    other["rounding"] = {{"plugin", "nearest_away"}};
    Bench bench(Json::array({rule("activation", Json::array({"left", "right"}), lsq(4)), other}));
    ASSERT_EQ(&bench.site("activation/left"), &bench.site("activation/right")) << "one node";
    EXPECT_EQ(bench.input_of("right").keys,
              (std::vector{site_key("activation/left"), site_key("activation/right")}));
    train(bench, 4);
    const float step = learned(bench, "activation/left");
    const auto before = bench.network.save(true);
    const auto velocity = floats_of(before).at("learned/activation/left/step/velocity");
    EXPECT_NE(velocity.at(0), 0.0F);
    bench.lower(1);
    EXPECT_NE(&bench.site("activation/left"), &bench.site("activation/right"));
    for (const char* key : {"activation/left", "activation/right"}) {
      EXPECT_EQ(learned(bench, key), step) << leaves << " leaves, " << key;
      EXPECT_EQ(bench.site(key).context().name, key) << "each has its own random words";
      const auto after = floats_of(bench.network.save(true));
      EXPECT_EQ(after.at(std::string("learned/") + key + "/step/velocity"), velocity) << key;
    }
  }
}

TEST(SiteState, ReadersWithStatesOfTheirOwnStayApartWhenTheirRulesBecomeTheSame) {
  const Json five{{"plugin", "qil"}, {"part", "activation"}, {"bits", 5}};
  Json four = five;
  four["bits"] = 4;
  Bench bench(Json::array({rule("activation", Json::array({"left"}), four),
                           rule("activation", Json::array({"right"}), five),
                           from_epoch(rule("activation", Json::array({"right"}), four), 1)}));
  train(bench, 4);
  const float left = learned(bench, "activation/left", 1);
  const float right = learned(bench, "activation/right", 1);
  ASSERT_NE(left, right);
  bench.lower(1);
  EXPECT_EQ(learned(bench, "activation/left", 1), left);
  EXPECT_EQ(learned(bench, "activation/right", 1), right);
  bench.lower(2);
  EXPECT_EQ(learned(bench, "activation/right", 1), right) << "also when nothing changes";
}

TEST(SiteState, RangesOfASharedNodeStayKnownToBothReaders) {
  const Json moving{{"plugin", "moving_average_min_max"}};
  const Json wide{{"plugin", "affine"}, {"bits", 8}}, narrow{{"plugin", "affine"}, {"bits", 4}};
  Json both = rule("activation", Json::array({"left", "right"}), wide);
  Json coarse = from_epoch(rule("activation", Json::array({"right"}), narrow), 1);
  both["range"] = coarse["range"] = moving;
  Bench bench(Json::array({both, coarse}));
  train(bench, 2);
  bench.lower(1);
  EXPECT_NO_THROW(bench.evaluate());
  EXPECT_EQ(bench.site("activation/right").bits(), 4U);
}

TEST(SiteState, ParametersThatTheManifestListsKeepWhatWasLearned) {
  const Json qil{{"plugin", "qil"}, {"part", "weight"}, {"bits", 5}};
  Json coarse = qil, other_start = qil;
  coarse["bits"] = 4;
  other_start["initial_center"] = 0.25;
  Json away = from_epoch(rule("weight", Json::array({"conv2"}), coarse), 2);
  away["rounding"] = {{"plugin", "nearest_away"}};
  Bench bench(Json::array({rule("weight", Json::array({"conv2"}), qil),
                           from_epoch(rule("weight", Json::array({"conv2"}), coarse), 1), away,
                           from_epoch(rule("weight", Json::array({"conv2"}), other_start), 3)}));
  train(bench, 4);
  const float half_width = learned(bench, "weight/conv2", 1);
  bench.lower(1);
  EXPECT_EQ(learned(bench, "weight/conv2", 1), half_width) << "bits 5 -> 4";
  bench.lower(2);
  EXPECT_EQ(learned(bench, "weight/conv2", 1), half_width) << "another rounding";
  bench.lower(3);
  EXPECT_FALSE(bench.site("weight/conv2").is_initialised()) << "another first center";
}

TEST(SiteState, AnEvaluationBeforeTrainingLeavesNoTrace) {
  const Json moving{{"plugin", "moving_average_min_max"}};
  Json affine = rule("weight", Json::array({"fc"}), {{"plugin", "affine"}, {"bits", 4}});
  affine["range"] = moving;
  const Json rules =
      Json::array({rule("weight", Json::array({"conv1", "conv2"}), lsq(4)), affine,
                   rule("activation", Json::array({"fc"}), {{"plugin", "pact"}, {"bits", 4}}),
                   rule("norm", Json::array({"norm1"}), lsq(8))});
  Bench looked(rules), plain(rules);
  const auto before = floats_of(looked.network.save(true));
  const std::vector<float> once = values(looked.evaluate());
  EXPECT_EQ(values(looked.evaluate()), once);
  EXPECT_EQ(floats_of(looked.network.save(true)), before);
  EXPECT_EQ(looked.site("weight/conv1").bits(), 4U) << "what stood in has an encoding";
  train(looked, 3);
  train(plain, 3);
  EXPECT_EQ(looked.parameter_values(), plain.parameter_values());
  EXPECT_EQ(learned(looked, "weight/conv1"), learned(plain, "weight/conv1"));
}

TEST(SiteState, EvaluationNeverTakesFirstValuesFromAnActivation) {
  Bench bench(Json::array({rule("activation", Json::array({"fc"}), lsq(4))}));
  EXPECT_THROW(bench.evaluate(), RunError);
  train(bench, 1);
  EXPECT_NO_THROW(bench.evaluate());
}

TEST(SiteState, ABiasAndABetaBeginWithATensorThatIsNotZeroAndHaveSignedCodes) {
  const Json dorefa{{"plugin", "dorefa"}, {"part", "weight"}, {"bits", 4}};
  Bench bench(Json::array({rule("bias", Json::array({"conv2"}), lsq(8)),
                           rule("bias", Json::array({"fc"}), dorefa),
                           rule("norm", Json::array({"norm1"}), lsq(8))}));
  const std::vector<std::string> names{"conv2/bias", "fc/bias", "norm1/beta"};
  for (const std::string& name : names) bench.parameter(name).value.fill(0);
  bench.train(0);
  for (const char* key : {"bias/conv2", "norm/norm1/beta"}) {
    EXPECT_FALSE(bench.site(key).is_initialised()) << key;
  }
  for (const std::string& name : names) {
    const std::vector<float> moved = values(bench.parameter(name).value);
    EXPECT_NE(moved, std::vector<float>(moved.size(), 0.0F)) << name << ": its gradient passes";
  }
  for (float& v : bench.parameter("conv2/bias").value) v = std::abs(v);
  for (float& v : bench.parameter("norm1/beta").value) v = std::abs(v);
  bench.train(1);
  for (const char* key : {"bias/conv2", "norm/norm1/beta"}) {
    ASSERT_TRUE(bench.site(key).is_initialised()) << key;
    EXPECT_LT(learned(bench, key), 0.1F) << key;
    EXPECT_EQ(bench.site(key).encoding().is_signed, 1U) << key << ": though none was negative";
  }
}

TEST(SiteState, AFloatStageLeavesLearnedParametersAsTheyAre) {
  Bench bench(Json::array({rule("weight", Json::array({"conv2"}), lsq(4))}));
  train(bench, 2);
  const float step = learned(bench, "weight/conv2");
  network::Pass pass;
  pass.phase = {2, 0, true, 0.125};
  pass.rules = network::Pass::Rules::kOff;
  pass.norms_train = true;
  bench.network.plan.forward(bench.batch, pass);
  bench.network.plan.backward(bench.dlogits);
  bench.network.update(bench.settings, pass.phase, 2);
  EXPECT_EQ(learned(bench, "weight/conv2"), step);
}

TEST(SiteState, ShadowsHaveNormStatisticsOfTheirOwn) {
  Bench bench(Json::array());
  train(bench, 3);
  const auto norm = [&](const char* prefix) {
    data::Arrays own;
    for (auto& [name, array] : bench.network.save(true)) {
      if (name.starts_with(prefix)) own[name.substr(std::string(prefix).size())] = array;
    }
    return own;
  };
  const data::Arrays last = norm("norm/norm1/");
  network::Parameter& weight = bench.parameter("conv1/weight");
  weight.shadow = weight.value;
  for (float& v : weight.shadow) v *= 2.0F;
  bench.network.norms.add_shadows();
  network::Pass retune;
  retune.norms_train = retune.use_shadows = true;
  retune.norm_momentum = 1.0;
  bench.network.plan.forward(bench.batch, retune);
  const auto values_of = [](const data::Arrays& arrays) {
    return std::get<std::vector<double>>(arrays.at("running_mean").values);
  };
  EXPECT_EQ(values_of(norm("norm/norm1/")), values_of(last));
  EXPECT_NE(values_of(norm("shadow_norm/norm1/")), values_of(last));
  network::drop_shadows(bench.network);
  EXPECT_FALSE(network::has_shadows(bench.network));
  EXPECT_TRUE(norm("shadow_norm/norm1/").empty());
}

TEST(SiteState, AFileGivesEachReaderWhatItHeld) {
  const Json rules = Json::array({rule("activation", Json::array({"left", "right"}), lsq(4)),
                                  rule("weight", Json::array({"fc"}), lsq(4))});
  const Json apart = Json::array({rule("activation", Json::array({"left"}), lsq(4)),
                                  rule("activation", Json::array({"right"}), lsq(3)),
                                  rule("weight", Json::array({"fc"}),
                                       {{"plugin", "lsq"}, {"bits", 4}, {"rate_factor", 0.5}})});
  Bench trained(rules);
  train(trained, 4);
  const data::Arrays file = trained.network.save(true);
  const auto started = [&file](const Json& now) {
    auto bench = std::make_unique<Bench>(now);
    data::ArrayReader reader(file, "file");
    bench->network.sites.recall(reader);
    bench->lower(0);
    return bench;
  };
  const auto same = started(rules), other = started(apart);
  EXPECT_EQ(&same->site("activation/left"), &same->site("activation/right"));
  EXPECT_EQ(learned(*same, "activation/right"), learned(trained, "activation/left"));
  EXPECT_EQ(learned(*other, "activation/left"), learned(trained, "activation/left"));
  EXPECT_FALSE(other->site("activation/right").is_known()) << "a grid of 3 bits has another step";
  EXPECT_EQ(learned(*other, "weight/fc"), learned(trained, "weight/fc"));
}

}  // namespace
}  // namespace qloom::test
