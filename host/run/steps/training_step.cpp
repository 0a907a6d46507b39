// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/steps/training_step.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

network::OptimizerSettings settings_of(const pipeline::Optimizer& o, double rate) {
  network::OptimizerSettings s;
  s.type = o.type == "adam" ? network::OptimizerSettings::Type::kAdam
                            : network::OptimizerSettings::Type::kSgd;
  s.learning_rate = rate;
  s.momentum = o.momentum;
  s.weight_decay = o.weight_decay;
  s.nesterov = o.nesterov;
  s.beta1 = o.beta1;
  s.beta2 = o.beta2;
  s.epsilon = o.epsilon;
  return s;
}

/// Before procedures change it; `step`: of the stage.
double scheduled_rate(const pipeline::Stage& stage, std::uint64_t step,
                      std::uint64_t steps_per_epoch) {
  const pipeline::Schedule& s = stage.schedule;
  double rate = stage.optimizer.learning_rate;
  if (s.type == "step") {
    const auto epoch = static_cast<std::int64_t>(step / steps_per_epoch);
    for (const std::int64_t at : s.epochs) {
      if (epoch >= at) rate *= s.factor;
    }
  } else if (s.type == "cosine") {  // Loshchilov, Hutter, 2017, eq. 5
    const std::uint64_t total = steps_per_epoch * static_cast<std::uint64_t>(stage.epochs);
    const double t = double(step) / double(std::max<std::uint64_t>(total, 1));
    rate = s.final_rate + 0.5 * (rate - s.final_rate) * (1.0 + std::cos(std::numbers::pi * t));
  }
  if (static_cast<std::int64_t>(step) < s.warmup_steps) {
    rate *= double(step + 1) / double(s.warmup_steps);
  }
  return rate;
}

}  // namespace

layers::Loss loss_of(const std::string& name, const Tensor& logits,
                     const std::vector<std::int32_t>& labels, float* gradient) {
  const auto batch = static_cast<std::int64_t>(labels.size());
  const std::int64_t classes = static_cast<std::int64_t>(logits.size()) / batch;
  const layers::LossFunction loss = layers::find_loss(name);
  if (loss == nullptr) throw RunError("no loss is called \"" + name + "\"");
  return loss(logits.data(), labels.data(), batch, classes, gradient);
}

TrainingStep::TrainingStep(Services& run, const pipeline::Stage& stage)
    : run_(run), stage_(stage), steps_(run.setup.batches.per_epoch()) {}

layers::Loss TrainingStep::run(const Walk& batch) {
  network::Network& network = *run_.state.network;
  const network::Pass pass = begin();
  const layers::Loss loss = at_loss(network.plan.forward(batch.images(), pass), batch.labels());
  network.plan.backward(logits_gradient_);
  update(pass);
  return loss;
}

network::Pass TrainingStep::begin() {
  Cursor& cursor = run_.state.cursor;
  Step& step = run_.state.step;
  step = {.phase = Step::Phase::kUnderWay};
  cursor.learning_rate =
      scheduled_rate(stage_, cursor.epoch_of_stage * steps_ + cursor.step_of_epoch, steps_);
  emit(run_, QLOOM_EVENT_BEFORE_STEP);
  cursor.learning_rate *= step.rate_factor;
  network::Pass pass;
  pass.phase = {cursor.steps, cursor.epochs, true, cursor.learning_rate};
  pass.rules = stage_.apply_rules ? network::Pass::Rules::kOn : network::Pass::Rules::kOff;
  pass.norms_train = true;
  return pass;
}

layers::Loss TrainingStep::at_loss(const Tensor& logits, const std::vector<std::int32_t>& labels) {
  const auto batch = static_cast<std::int64_t>(labels.size());
  const std::int64_t classes = static_cast<std::int64_t>(logits.size()) / batch;
  logits_gradient_.resize({batch, classes});
  const std::string& reported = run_.state.cursor.loss;
  layers::Loss loss = loss_of(stage_.loss, logits, labels, logits_gradient_.data());
  if (reported != stage_.loss) loss = loss_of(reported, logits, labels, nullptr);
  if (!std::isfinite(loss.sum)) throw NotFinite(fmt::format("the loss is {}", loss.sum));
  Step& step = run_.state.step;
  step = {.phase = Step::Phase::kAtLoss,
          .logits = logits.data(),
          .gradient = logits_gradient_.data(),
          .labels = labels.data(),
          .batch = batch,
          .classes = classes};
  emit(run_, QLOOM_EVENT_LOSS);
  step = {.phase = Step::Phase::kUnderWay};
  return loss;
}

void TrainingStep::update(const network::Pass& pass) {
  const Cursor& cursor = run_.state.cursor;
  emit(run_, QLOOM_EVENT_AFTER_BACKWARD);
  run_.state.network->update(settings_of(stage_.optimizer, cursor.learning_rate), pass.phase,
                             cursor.steps - cursor.optimizer_start);
  emit(run_, QLOOM_EVENT_AFTER_STEP);
}

}  // namespace qloom::run
