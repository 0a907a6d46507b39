// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Training of binary networks, and of what quantizes weights that stay: rates, held weights, an
// optimizer that begins anew, the schedule of tricks.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "host/tensor/error.hpp"
#include "tests/sites/procedures.hpp"

namespace qloom::test {
namespace {

network::Parameter& tensor_of(run::Trainer& trainer, const std::string& name) {
  for (network::Parameter* p : trainer.network().parameters.list()) {
    if (p->name() == name) return *p;
  }
  throw RunError("no tensor " + name);
}
std::vector<float> all_values(run::Trainer& trainer) {
  std::vector<float> all;
  for (network::Parameter* p : trainer.network().parameters.list()) {
    all.insert(all.end(), p->value.begin(), p->value.end());
  }
  return all;
}
Json train_stage(int epochs, const Json& optimizer) {
  return Json{{"train", {{"epochs", epochs}, {"optimizer", optimizer}}}};
}
Json staged(const Json& stages) { return Json{{"stages", stages}}; }
Json evaluate_stage() { return Json{{"evaluate", Json::object()}}; }

/// Fully connected 784 -> 2048: 43.4511; convolution 3x3, 128 -> 256 channels: 48.
TEST_F(Procedures, LatentRatesAreGlorotsOfEachLayer) {
  const Json model = Json::parse(R"({"model": {"inline": {"layers": [
      {"name": "a", "type": "conv", "filters": 128, "kernel": 1},
      {"name": "b", "type": "conv", "filters": 256, "kernel": 3, "stride": 4, "padding": "same"},
      {"name": "c", "type": "dense", "units": 784}, {"name": "d", "type": "dense", "units": 2048},
      {"name": "e", "type": "dense", "units": "classes"}]}}})");
  Json patch = staged(Json::array({evaluate_stage()}));
  patch.merge_patch(model);
  auto t = trainer(Json::array(), Json::array({{{"plugin", "latent_rates"}}}), 1, patch);
  run(t);
  EXPECT_NEAR(tensor_of(t, "d/weight").control.rate_factor, 43.4511, 5e-5);
  EXPECT_DOUBLE_EQ(tensor_of(t, "b/weight").control.rate_factor, 48.0);
  EXPECT_EQ(tensor_of(t, "d/bias").control.rate_factor, 1.0) << "of weights alone";
  EXPECT_EQ(tensor_of(t, "d/weight").control.decay_factor, 1.0);
  EXPECT_EQ(t.facts().custom.at("rate_factor/b"), std::vector<double>{48.0});
}

TEST_F(Procedures, LatentRatesMultiplyTheStepsOfTheirLayers) {
  const Json stages =
      staged(Json::array({train_stage(1, {{"learning_rate", 0x1p-6}, {"momentum", 0.5}})}));
  const Json rates{{"plugin", "latent_rates"}, {"latent_rate", 4}, {"layers", {"fc"}}};
  auto one = trainer(Json::array(), Json::array({rates}), 1, stages);
  auto plain = trainer(Json::array(), Json::array(), 1, stages);
  std::vector<float> start = values(tensor_of(one, "fc/weight").value);
  const Json all_data{{"data", {{"batch_size", 48}}}};
  Json single = stages;
  single.merge_patch(all_data);  // one step: the gradient is the same
  auto one_step = trainer(Json::array(), Json::array({rates}), 1, single);
  auto plain_step = trainer(Json::array(), Json::array(), 1, single);
  run(one_step);
  run(plain_step);
  const Tensor &fast = tensor_of(one_step, "fc/weight").value,
               &slow = tensor_of(plain_step, "fc/weight").value;
  for (std::size_t i = 0; i < start.size(); ++i) {
    EXPECT_NEAR(fast[i] - start[i], 4 * (slow[i] - start[i]), 1e-6) << i;
  }
  EXPECT_EQ(values(tensor_of(one_step, "conv1/weight").value),
            values(tensor_of(plain_step, "conv1/weight").value));
  run(one);
  run(plain);
  EXPECT_NE(all_values(one), all_values(plain));
}

TEST_F(Procedures, LatentRatesTakeTheDecayOff) {
  const auto after = [&](double decay, const Json& procedures) {
    auto t = trainer(
        Json::array(), procedures, 1,
        staged(Json::array({train_stage(2, {{"learning_rate", 0.05}, {"weight_decay", decay}})})));
    run(t);
    return all_values(t);
  };
  const Json off =
      Json::array({{{"plugin", "latent_rates"}, {"latent_rate", 1}, {"decay_factor", 0}}});
  EXPECT_EQ(after(0.1, off), after(0.0, Json::array()));
  EXPECT_NE(after(0.1, Json::array()), after(0.0, Json::array()));
}

TEST_F(Procedures, PointsOfACodebookTrainOnWeightsThatAreHeld) {
  const Json rules = Json::array(
      {{{"site", "weight"}, {"quantizer", {{"plugin", "codebook_points"}, {"points", 4}}}},
       {{"site", {"update", "momentum"}},
        {"quantizer", {{"plugin", "fixed_point"}, {"bits", 8}, {"fraction_bits", 4}}},
        {"rounding", {{"plugin", "stochastic"}}}}});
  for (const char* type : {"sgd", "adam"}) {
    auto t = trainer(rules, Json::array({{{"plugin", "hold"}}}), 3,
                     staged(Json::array({train_stage(
                         3, {{"type", type}, {"learning_rate", 0.02}, {"weight_decay", 0.01}})})));
    const std::vector<std::string> layers{"conv1", "conv2", "left", "right", "fc"};
    std::vector<std::vector<float>> start, points;
    for (const auto& l : layers) start.push_back(values(tensor_of(t, l + "/weight").value));
    const std::vector<float> bias = values(tensor_of(t, "fc/bias").value);
    run(t, [&](run::Trainer& now) {
      auto& site = *now.network().sites.all().at(site_key("weight/fc"));
      const sites::LearnedParameter& p = site.learned().at(0);
      points.emplace_back(p.value, p.value + p.gradient.size());
    });
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Tensor& now = tensor_of(t, layers[i] + "/weight").value;
      ASSERT_EQ(std::memcmp(now.data(), start[i].data(), now.size() * sizeof(float)), 0)
          << layers[i] << " " << type;
    }
    ASSERT_GE(points.size(), 3U);
    EXPECT_EQ(points[0].size(), 4U);
    EXPECT_NE(points[0], points[1]) << "they move";
    EXPECT_NE(points[1], points[2]);
    EXPECT_NE(values(tensor_of(t, "fc/bias").value), bias) << "the rest trains on";
  }
}

TEST_F(Procedures, HoldLeavesOtherLayersFree) {
  auto t = trainer(Json::array(), Json::array({{{"plugin", "hold"}, {"layers", {"conv1"}}}}), 1);
  const auto conv = values(tensor_of(t, "conv1/weight").value),
             fc = values(tensor_of(t, "fc/weight").value);
  run(t);
  EXPECT_EQ(values(tensor_of(t, "conv1/weight").value), conv);
  EXPECT_NE(values(tensor_of(t, "fc/weight").value), fc);
}

/// Stage 2 has rate 0, so both runs see the same gradients g1, g2, g3 (an epoch has three steps):
/// v = 1/8 v0 + 1/4 g1 + 1/2 g2 + g3, and v0 = 0 where the optimizer begins anew.
TEST_F(Procedures, AStageMayBeginWithAnOptimizerWithoutMomentum) {
  std::vector<float> before;
  const auto velocity = [&](bool resets) {
    Json second{{"learning_rate", 0}, {"momentum", 0.5}};
    if (resets) second["reset"] = true;
    auto t =
        trainer(Json::array(), Json::array(), 1,
                staged(Json::array({train_stage(1, {{"learning_rate", 0.05}, {"momentum", 0.5}}),
                                    train_stage(1, second)})));
    run(t, [&](run::Trainer& now) {
      if (now.cursor().epochs == 1) before = values(tensor_of(now, "conv2/weight").velocity);
    });
    EXPECT_EQ(t.cursor().optimizer_start, resets ? 3U : 0U);
    return values(tensor_of(t, "conv2/weight").velocity);
  };
  const auto kept = velocity(false), anew = velocity(true);
  double largest = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_NEAR(kept[i] - anew[i], before[i] / 8, 1e-6) << i;
    largest = std::max(largest, std::abs(double{before[i]}));
  }
  EXPECT_GT(largest, 1e-2);
}

/// The first step of Adam is the rate wherever there is a gradient, m / sqrt(v) = g / |g|; later
/// ones are not. One step is one epoch here.
TEST_F(Procedures, AdamCountsItsStepsFromItsBeginning) {
  const auto largest_deviation = [&](bool resets) {
    Json second{{"type", "adam"}, {"learning_rate", 0x1p-10}};
    if (resets) second["reset"] = true;
    Json patch = staged(Json::array(
        {train_stage(4, {{"type", "adam"}, {"learning_rate", 0.01}}), train_stage(1, second)}));
    patch["data"]["batch_size"] = 48;
    auto t = trainer(Json::array(), Json::array(), 1, patch);
    std::vector<float> start;
    run(t, [&](run::Trainer& now) {
      if (now.cursor().epochs == 4) start = values(tensor_of(now, "fc/weight").value);
    });
    const Tensor& w = tensor_of(t, "fc/weight").value;
    double largest = 0;
    for (std::size_t i = 0; i < start.size(); ++i) {
      if (tensor_of(t, "fc/weight").gradient[i] == 0) continue;
      largest = std::max(largest, std::abs(std::abs(double{w[i]} - start[i]) - 0x1p-10));
    }
    return largest;
  };
  EXPECT_LT(largest_deviation(true), 1e-5);
  EXPECT_GT(largest_deviation(false), 1e-4);
}

TEST_F(Procedures, TheOptimizerOfLearnedScalesBeginsAnewToo) {
  const Json rules =
      Json::array({{{"site", "weight"}, {"quantizer", {{"plugin", "lsq"}, {"bits", 4}}}}});
  const auto steps = [&](bool resets) {
    Json second{{"learning_rate", 0.05}, {"momentum", 0.9}};
    if (resets) second["reset"] = true;
    auto t =
        trainer(rules, Json::array(), 1,
                staged(Json::array({train_stage(2, {{"learning_rate", 0.05}, {"momentum", 0.9}}),
                                    train_stage(1, second)})));
    run(t);
    std::vector<float> velocity;
    for (const auto& [key, array] : t.network().save(true)) {
      if (!key.starts_with("learned/") || !key.ends_with("/velocity")) continue;
      const auto& own = std::get<std::vector<float>>(array.values);
      velocity.insert(velocity.end(), own.begin(), own.end());
    }
    EXPECT_GE(velocity.size(), 5U);
    return velocity;
  };
  EXPECT_NE(steps(true), steps(false));
}

/// WAGE puts the gradient of squared differences in the place of the stage's, whatever it says.
TEST_F(Procedures, TheLossThatIsToldIsTheOneThatAProcedureTrains) {
  const auto run_with = [&](const char* loss) {
    Json stage = train_stage(2, {{"learning_rate", 1.0}, {"momentum", 0.0}});
    stage["train"]["loss"] = loss;
    const Json gradient{{"site", "gradient"},
                        {"quantizer", {{"plugin", "wage"}, {"part", "gradient"}, {"bits", 8}}}};
    auto t = trainer(Json::array({gradient}), Json::array({{{"plugin", "wage_training"}}}), 1,
                     {{"norm", {{"plugin", "const_scale"}}},
                      {"stages", Json::array({stage, evaluate_stage()})}});
    run(t);
    return std::pair{t.facts().series["loss"], t.facts().final_score->loss};
  };
  EXPECT_EQ(run_with("softmax_cross_entropy"), run_with("sum_of_squares"));
}

Json binary_rules() {
  return Json::parse(R"([{"site": "weight", "quantizer": {"plugin": "binary_connect"}},
      {"site": "activation", "quantizer": {"plugin": "bnn_act"}, "pad": -1}])");
}
Json binary_stage(const char* loss = "squared_hinge") {
  Json stage = train_stage(3, {{"type", "adam"}, {"learning_rate", 0.003}});
  stage["train"]["loss"] = loss;
  return stage;
}
Json scheduled_by(const Json& parameters) {
  Json recipe{{"plugin", "bnn_schedule"}};
  recipe.update(parameters);
  return {{"recipe", recipe},
          {"stages", Json::array({Json{{"train", {{"epochs", 3}}}}, evaluate_stage()})}};
}

TEST_F(Procedures, AScheduleWhoseEpochsAreZeroIsAPlainBinaryNetwork) {
  auto plain = trainer(binary_rules(), Json::array({{{"plugin", "latent_clip"}}}), 1,
                       {{"norm", {{"plugin", "batch_norm"}, {"eps", 1e-4}}},
                        {"stages", Json::array({binary_stage(), evaluate_stage()})}});
  // merge_patch() of the fixture's stages: lists are replaced as a whole.
  auto scheduled = trainer(Json::array(), Json::array(), 1, scheduled_by(Json::object()));
  run(plain);
  run(scheduled);
  EXPECT_EQ(all_values(scheduled), all_values(plain));
  EXPECT_EQ(logits(scheduled), logits(plain));
  EXPECT_EQ(scheduled.facts().series, plain.facts().series);
}

TEST_F(Procedures, EachTrickOfAScheduleBeginsWithItsEpoch) {
  auto plain = trainer(Json::array(), Json::array(), 1, scheduled_by(Json::object()));
  run(plain);
  for (const char* trick : {"weights_epoch", "activations_epoch", "mask_epoch", "clip_epoch"}) {
    auto late = trainer(Json::array(), Json::array(), 1, scheduled_by({{trick, 2}}));
    run(late, [&](run::Trainer& now) {
      if (now.cursor().epochs > 2) return;
      const auto& sites = now.network().sites.all();
      const bool has_weights = sites.contains(site_key("weight/conv2"));
      const bool has_activations = sites.contains(site_key("activation/conv2"));
      const bool begun = now.cursor().epochs == 2;
      EXPECT_EQ(has_weights, begun || trick != std::string("weights_epoch")) << trick;
      EXPECT_EQ(has_activations, begun || trick != std::string("activations_epoch")) << trick;
    });
    EXPECT_NE(all_values(late), all_values(plain)) << trick;
  }
}

TEST_F(Procedures, ANetworkFromScratchPadsWithACodeAndItsEndsAreReal) {
  auto t = trainer(Json::array(), Json::array(), 1,
                   {{"recipe", {{"plugin", "bnn_scratch"}}},
                    {"stages", Json::array({Json{{"train", {{"epochs", 1}}}}, evaluate_stage()})}});
  run(t);
  const auto& sites = t.network().sites.all();
  EXPECT_EQ(sites.at(site_key("activation/conv2"))->encoding_json()["pad"], -1.0);
  EXPECT_FALSE(sites.contains(site_key("weight/conv1")));
  EXPECT_FALSE(sites.contains(site_key("activation/fc")));
  for (const char* name : {"conv1/weight", "conv2/weight", "left/weight", "fc/weight"}) {
    for (const float w : tensor_of(t, name).value) ASSERT_LE(std::abs(w), 1.3F) << name;
    EXPECT_EQ(tensor_of(t, name).control.decay_factor, 0.0) << name;
  }
  EXPECT_EQ(t.setup().pipeline.stages[0].optimizer.type, "adam");
}

}  // namespace
}  // namespace qloom::test
