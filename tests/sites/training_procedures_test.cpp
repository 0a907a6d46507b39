// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Procedures that look at the weights, or treat them, while a network trains.
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/sites/procedures.hpp"

namespace qloom::test {
namespace {

/// Stored values of the weights, by layer.
std::map<std::string, std::vector<float>> weights_of(run::Trainer& trainer) {
  std::map<std::string, std::vector<float>> weights;
  for (network::Parameter* p : trainer.network().parameters.list()) {
    if (p->role == QLOOM_ROLE_WEIGHT) weights[p->layer] = values(p->value);
  }
  return weights;
}
float largest_of(const std::vector<float>& w) {
  float largest = 0;
  for (const float v : w) largest = std::max(largest, std::abs(v));
  return largest;
}

TEST_F(Procedures, LatentClipKeepsTheWeightsOfItsLayersInBounds) {
  auto clipped =
      trainer(Json::array(), Json::array({{{"plugin", "latent_clip"}, {"bound", 0.125}}}), 2);
  auto one = trainer(
      Json::array(),
      Json::array({{{"plugin", "latent_clip"}, {"bound", 0.125}, {"layers", {"conv1"}}}}), 2);
  run(clipped);
  run(one);
  for (const auto& [layer, w] : weights_of(clipped)) {
    EXPECT_EQ(largest_of(w), 0.125F) << layer;
  }
  for (const auto& [layer, w] : weights_of(one)) {
    if (layer == "conv1") {
      EXPECT_EQ(largest_of(w), 0.125F);
    } else {
      EXPECT_GT(largest_of(w), 0.125F) << layer;
    }
  }
}

TEST_F(Procedures, LatentClipBeginsWithItsEpoch) {
  auto late =
      trainer(Json::array(),
              Json::array({{{"plugin", "latent_clip"}, {"bound", 0.125}, {"start_epoch", 1}}}), 2);
  run(late, [](run::Trainer& t) {
    const float largest = largest_of(weights_of(t).at("conv1"));
    if (t.cursor().epochs == 1) {
      EXPECT_GT(largest, 0.125F);
    } else {
      EXPECT_EQ(largest, 0.125F);
    }
  });
}

TEST_F(Procedures, ALayerThatDoesNotExistIsNamed) {
  auto t =
      trainer(Json::array(), Json::array({{{"plugin", "latent_clip"}, {"layers", {"conv9"}}}}), 1);
  try {
    run(t);
    FAIL() << "not refused";
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("conv9"), std::string::npos) << e.what();
  }
}

TEST_F(Procedures, XnorTrainLeavesCentredWeightsInBounds) {
  auto t = trainer(Json::array(), Json::array({{{"plugin", "xnor_train"}}}), 2);
  run(t);
  int centred = 0;
  for (network::Parameter* p : t.network().parameters.list()) {
    if (p->role != QLOOM_ROLE_WEIGHT) continue;
    const auto channels = static_cast<std::size_t>(p->value.shape().back());
    if (channels < 2) continue;  // one channel has no mean to lose
    ++centred;
    for (std::size_t i = 0; i < p->value.size(); i += channels) {
      double sum = 0;
      for (std::size_t c = 0; c < channels; ++c) sum += p->value[i + c];
      EXPECT_NEAR(sum, 0.0, 1e-6 * static_cast<double>(channels)) << p->name();
    }
    EXPECT_LE(largest_of(values(p->value)), 1.0F);
  }
  EXPECT_GE(centred, 2);
}

TEST_F(Procedures, BnRetuneGivesTheStatisticsOfTheTrainingSetBeforeEachEvaluation) {
  const Json train{{"train", {{"epochs", 1}, {"optimizer", {{"learning_rate", 0.05}}}}}};
  const Json evaluate{{"evaluate", Json::object()}};
  const auto with_stages = [&](const Json& stages) { return Json{{"stages", stages}}; };
  const Json retune = Json::array({{{"plugin", "bn_retune"}}});
  auto once = trainer(Json::array(), retune, 1, with_stages({train, evaluate}));
  auto twice = trainer(Json::array(), retune, 1, with_stages({train, evaluate, evaluate}));
  auto never = trainer(Json::array(), Json::array(), 1, with_stages({train, evaluate}));
  run(once);
  run(twice);
  run(never);
  EXPECT_EQ(logits(once), logits(twice));
  EXPECT_NE(logits(once), logits(never));
}

TEST_F(Procedures, TrainingStatisticsAreThoseOfTheWeights) {
  const Json rules = Json::array({fixed_rule("weight", "conv1", 3)});
  auto t = trainer(rules, Json::array({{{"plugin", "training_statistics"}}}), 2);
  std::vector<std::vector<float>> after;
  run(t, [&](run::Trainer& now) {
    if (now.cursor().epochs > after.size()) after.push_back(weights_of(now).at("conv1"));
  });
  const auto& told = t.facts().custom;
  const auto norm = [](const std::vector<float>& w) {
    double sum = 0;
    for (const float v : w) sum += double{v} * double{v};
    return std::sqrt(sum);
  };
  ASSERT_EQ(after.size(), 2U);
  ASSERT_EQ(told.at("weight_norm/conv1").size(), 2U);
  EXPECT_NEAR(told.at("weight_norm/conv1")[1], norm(after[1]), 1e-9);
  std::vector<float> change(after[0]), noise(after[1]);
  double zeros = 0;
  const std::vector<float> quantized = fixed(after[1], 3);
  for (std::size_t i = 0; i < change.size(); ++i) {
    change[i] -= after[1][i];
    noise[i] -= quantized[i];
    zeros += quantized[i] == 0 ? 1 : 0;
  }
  EXPECT_NEAR(told.at("update_ratio/conv1")[1], norm(change) / norm(after[0]), 1e-6);
  EXPECT_GT(told.at("gradient_norm/conv1")[0], 0.0);
  EXPECT_NEAR(told.at("quantization_noise/conv1")[1], norm(noise) / norm(after[1]), 0.05);
  EXPECT_NEAR(told.at("zero_share/conv1")[1], zeros / static_cast<double>(change.size()), 0.05);
}

/// Levels of a codebook rule that a procedure added.
std::vector<float> codebook_of(run::Trainer& t) {
  return t.facts().added_rules.at(0)["rule"]["quantizer"]["codebook"].get<std::vector<float>>();
}

TEST_F(Procedures, OneCodebookServesAllLayersAndItsValuesAreMeansWeightedByImportance) {
  const Json train{{"train", {{"epochs", 1}, {"optimizer", {{"type", "adam"}}}}}};
  auto t = trainer(Json::array(),
                   Json::array({{{"plugin", "global_codebook"},
                                 {"centroids", 6},
                                 {"importance", "adam"},
                                 {"max_iterations", 1000}}}),
                   1, {{"stages", Json::array({train, Json{{"evaluate", Json::object()}}})}});
  run(t);
  ASSERT_EQ(t.facts().added_rules.size(), 1U);
  const std::vector<float> levels = codebook_of(t);
  ASSERT_EQ(levels.size(), 6U);
  std::vector<double> sums(6, 0.0), counts(6, 0.0);
  for (network::Parameter* p : t.network().parameters.list()) {
    if (p->role != QLOOM_ROLE_WEIGHT) continue;
    const std::vector<float> seen = values(network::last_seen(t.network(), *p));
    for (std::size_t i = 0; i < p->value.size(); ++i) {
      const auto nearest = std::ranges::min_element(
          levels, {}, [&](float c) { return std::abs(double{c} - double{p->value[i]}); });
      ASSERT_EQ(seen[i], *nearest) << p->name() << " " << i;
      const double h = std::sqrt(double{p->second_moment[i]});
      sums[static_cast<std::size_t>(nearest - levels.begin())] += h * p->value[i];
      counts[static_cast<std::size_t>(nearest - levels.begin())] += h;
    }
  }
  for (std::size_t j = 0; j < 6; ++j) EXPECT_NEAR(levels[j], sums[j] / counts[j], 1e-5) << j;
}

TEST_F(Procedures, AGlobalCodebookKeepsZerosAndTrainsOn) {
  const Json train{{"train", {{"epochs", 1}}}};
  const Json codebook{{"plugin", "global_codebook"}, {"centroids", 3}, {"stage", 0}};
  auto t = trainer(Json::array(),
                   Json::array({{{"plugin", "magnitude_prune"}, {"sparsity", 0.5}}, codebook}), 1,
                   {{"stages", Json::array({train, train, Json{{"evaluate", Json::object()}}})}});
  run(t, [](run::Trainer& now) {
    EXPECT_EQ(now.facts().added_rules.size(), now.cursor().stage > 1 ? 1U : 0U);
  });
  const std::vector<float> levels = codebook_of(t);
  EXPECT_EQ(levels.size(), 4U);
  EXPECT_EQ(std::count(levels.begin(), levels.end(), 0.0F), 1);
  EXPECT_EQ(t.facts().added_rules.at(0)["epoch"], 1);
}

TEST_F(Procedures, AGlobalCodebookWithoutItsImportanceIsRefused) {
  for (const auto& [importance, message] :
       {std::pair{"adam", "has no second moment"}, {"given", "has none"}}) {
    auto t = trainer(Json::array(),
                     Json::array({{{"plugin", "global_codebook"}, {"importance", importance}}}), 1);
    try {
      run(t);
      FAIL() << importance;
    } catch (const std::exception& e) {
      EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace qloom::test
