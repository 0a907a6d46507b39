// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Train stages: epochs, steps, checkpoints inside an epoch.
#include "host/run/training.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <numbers>

#include <fmt/format.h>

#include "host/registry/calls/call_record.hpp"
#include "host/run/run_service.hpp"
#include "host/run/stop.hpp"
#include "host/run/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {
namespace {

using Clock = std::chrono::steady_clock;

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

/// As docs/abi.md calls it.
const char* event_name(std::uint32_t event) {
  static constexpr const char* kNames[] = {"prepare",    "before_step", "loss",  "after_backward",
                                           "after_step", "after_epoch", "stage", "finalize"};
  return event < std::size(kNames) ? kNames[event] : "";
}

}  // namespace

layers::Loss loss_of(const std::string& name, const Tensor& logits,
                     const std::vector<std::int32_t>& labels, std::int64_t batch,
                     std::int64_t classes, float* gradient) {
  return name == "sum_of_squares"
             ? layers::sum_of_squares(logits.data(), labels.data(), batch, classes, gradient)
             : layers::softmax_cross_entropy(logits.data(), labels.data(), batch, classes,
                                             gradient);
}

void Trainer::emit(std::uint32_t event) {
  for (const methods::Procedure& procedure : procedures_) {
    if (!procedure.wants(event)) continue;
    qloom_event e{};
    e.struct_size = sizeof e;
    e.event = event;
    e.step = cursor_.steps;
    e.epoch = cursor_.epochs;
    e.stage = cursor_.stage;
    e.stages = pipeline_.stages.size();
    e.stage_type = cursor_.stage < e.stages
                       ? pipeline_.stages[static_cast<std::size_t>(cursor_.stage)].type.c_str()
                       : "";
    procedure.on(as_run(*this), e, event_name(event));
  }
}

double Trainer::scheduled_rate(const pipeline::Stage& stage, std::uint64_t step,
                               std::uint64_t total) const {
  const pipeline::Schedule& s = stage.schedule;
  double rate = stage.optimizer.learning_rate;
  if (s.type == "step") {
    const auto epoch = static_cast<std::int64_t>(step / steps_per_epoch());
    for (const std::int64_t at : s.epochs) {
      if (epoch >= at) rate *= s.factor;
    }
  } else if (s.type == "cosine") {  // Loshchilov, Hutter, 2017, eq. 5
    const double t = double(step) / double(std::max<std::uint64_t>(total, 1));
    rate = s.final_rate + 0.5 * (rate - s.final_rate) * (1.0 + std::cos(std::numbers::pi * t));
  }
  if (static_cast<std::int64_t>(step) < s.warmup_steps) {
    rate *= double(step + 1) / double(s.warmup_steps);
  }
  return rate;
}

void Trainer::train(const pipeline::Stage& stage, Progress& progress) {
  loss_ = stage.loss;
  while (cursor_.epoch_of_stage < static_cast<std::uint64_t>(stage.epochs)) {
    train_epoch(stage, progress);
    cursor_.step_of_epoch = 0;
    ++cursor_.epoch_of_stage;
    ++cursor_.epochs;
    emit(QLOOM_EVENT_AFTER_EPOCH);
    lower_if_due();  // before the checkpoint, which then holds the state of the new methods
    if (cursor_.epoch_of_stage < static_cast<std::uint64_t>(stage.epochs)) keep_and_stop_if_asked();
  }
}

void Trainer::train_epoch(const pipeline::Stage& stage, Progress& progress) {
  const data::Split& split = dataset_.train;
  order_ = data::shuffled_order(split.count, pipeline_.seed, cursor_.epochs);
  const std::uint64_t steps = steps_per_epoch();
  progress.begin(fmt::format("epoch {}/{}", cursor_.epoch_of_stage + 1, stage.epochs), steps);
  std::uint64_t& i = cursor_.step_of_epoch;  // not 0 after a stop inside the epoch
  if (i == 0) sums_ = {};
  std::string figures;
  while (i < steps) {
    const auto first = static_cast<std::int64_t>(i) * pipeline_.batch_size;
    const std::int64_t n = std::min(pipeline_.batch_size, split.count - first);
    load_batch(split, order_.data(), first, n);
    reload_changed(progress);
    const layers::Loss result = tried_step(stage, n, progress);
    sums_.loss += result.sum;
    sums_.correct += result.correct;
    sums_.seen += n;
    ++cursor_.steps;
    ++facts_.steps_run;
    ++i;
    figures = fmt::format("loss {:.4f}, accuracy {:.2f} %", sums_.loss / double(sums_.seen),
                          100.0 * double(sums_.correct) / double(sums_.seen));
    progress.step(i, figures);
    if (i == steps) break;
    lower_if_due();
    if (is_checkpoint_due() || stop_signal() != 0) keep_and_stop_if_asked();
  }
  facts_.series["epoch"].push_back(cursor_.epochs + 1);
  facts_.series["loss"].push_back(sums_.loss / double(sums_.seen));
  facts_.series["accuracy"].push_back(double(sums_.correct) / double(sums_.seen));
  facts_.series["learning_rate"].push_back(learning_rate_);
  progress.end(figures);
}

bool Trainer::is_checkpoint_due() const {
  if (interval_.steps > 0) return cursor_.steps % interval_.steps == 0;
  return interval_.seconds > 0 &&
         Clock::now() - last_checkpoint_ >= std::chrono::seconds(interval_.seconds);
}

void Trainer::keep_and_stop_if_asked() {
  checkpoint_();
  last_checkpoint_ = Clock::now();
  const std::string kept = fmt::format(
      "the checkpoint holds {} steps of training, --resume goes on from there", cursor_.steps);
  stop_if_asked(kept.c_str());
}

layers::Loss Trainer::tried_step(const pipeline::Stage& stage, std::int64_t n, Progress& progress) {
  if (!trial_) return train_step(stage, n);
  try {
    const layers::Loss loss = train_step(stage, n);
    keep_new_code();
    return loss;
  } catch (const RunError& error) {
    go_back(error.what(), progress);
  } catch (const InputError& error) {
    go_back(error.what(), progress);
  }
  return train_step(stage, n);
}

layers::Loss Trainer::train_step(const pipeline::Stage& stage, std::int64_t n) try {
  const std::uint64_t steps = steps_per_epoch();
  registry::set_present_step(cursor_.steps);
  rate_factor_ = 1;
  learning_rate_ = scheduled_rate(stage, cursor_.epoch_of_stage * steps + cursor_.step_of_epoch,
                                  steps * static_cast<std::uint64_t>(stage.epochs));
  in_training_ = true;
  emit(QLOOM_EVENT_BEFORE_STEP);
  learning_rate_ *= rate_factor_;
  network::Pass pass;
  pass.phase = {cursor_.steps, cursor_.epochs, true, learning_rate_};
  pass.rules = stage.apply_rules ? network::Pass::Rules::kOn : network::Pass::Rules::kOff;
  pass.norms_train = true;
  const Tensor& logits = network_->plan.forward(batch_, pass);
  const std::int64_t classes = static_cast<std::int64_t>(logits.size()) / n;
  logits_gradient_.resize({n, classes});
  const layers::Loss loss =
      loss_of(stage.loss, logits, labels_, n, classes, logits_gradient_.data());
  if (!std::isfinite(loss.sum)) {
    throw NotFinite(fmt::format("the loss is {}", loss.sum));
  }
  logits_view_ = {logits.data(), logits_gradient_.data(), labels_.data(), n, classes};
  emit(QLOOM_EVENT_LOSS);
  logits_view_ = {};
  network_->plan.backward(logits_gradient_);
  emit(QLOOM_EVENT_AFTER_BACKWARD);
  network_->update(settings_of(stage.optimizer, learning_rate_), pass.phase, cursor_.steps);
  emit(QLOOM_EVENT_AFTER_STEP);
  in_training_ = false;
  require_floating_point();
  registry::set_present_step(registry::kNoStep);
  return loss;
} catch (const RunError& error) {
  in_training_ = false;
  logits_view_ = {};
  throw RunError(fmt::format("step {}: {}", cursor_.steps, cause_of(error)));
}

/// "training diverged" only where values are not finite: a method that merely refuses is told as it
/// is, whatever a buffer holds that nobody has written yet.
std::string Trainer::cause_of(const RunError& error) const {
  const bool was_seen = dynamic_cast<const NotFinite*>(&error) != nullptr;
  const auto* refusal = dynamic_cast<const registry::Refusal*>(&error);
  const bool may_be = was_seen || (refusal != nullptr && refusal->status() == QLOOM_E_NUMERIC);
  const std::string tensor = may_be ? network_->first_non_finite() : "";
  if (!was_seen && tensor.empty()) return error.what();
  return fmt::format("training diverged{}: {}",
                     tensor.empty() ? "" : fmt::format(", first seen in \"{}\"", tensor),
                     error.what());
}

/// Once a step: what no call was seen to change, for instance on a thread of the pool inside a
/// kernel that called a rounding method.
void Trainer::require_floating_point() const {
  registry::require_floating_point();
  const std::string change = registry::restore_all_threads();
  if (change.empty()) return;
  std::string names;
  for (const registry::Method* m : facts_.methods) {
    names += fmt::format("{}{} \"{}\"", names.empty() ? "" : ", ", m->kind, m->id);
  }
  throw RunError(
      fmt::format("one of {} changed the floating-point state of a thread: {}", names, change));
}

}  // namespace qloom::run
