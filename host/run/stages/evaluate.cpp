// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/run/stages/stage.hpp"
#include "host/run/steps/training_step.hpp"
#include "host/run/stop.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run::stages {
namespace {

/// Loss and accuracy over batches of the test set.
results::Score score_of(Work& work, const pipeline::Stage& stage) {
  RunState& state = work.run.state;
  Walk samples = work.run.setup.batches.test();
  const std::uint64_t batches =
      stage.batches > 0 ? std::min(samples.count(), static_cast<std::uint64_t>(stage.batches))
                        : samples.count();
  work.progress.begin(stage.type->name, batches);
  network::Pass pass;
  pass.rules = stage.apply_rules ? network::Pass::Rules::kOn : network::Pass::Rules::kOff;
  pass.use_shadows = true;
  pass.phase.epoch = state.cursor.epochs;
  results::Score score;
  for (std::uint64_t i = 0; i < batches; ++i) {
    pass.phase.step = i;
    samples.load(i);
    const Tensor& logits = state.network->plan.forward(samples.images(), pass);
    stop_if_asked(kBeginsAnew);
    const layers::Loss loss = loss_of(state.cursor.loss, logits, samples.labels(), nullptr);
    score.loss += loss.sum;
    score.correct += loss.correct;
    score.count += samples.size();
    work.progress.step(i + 1, "");
  }
  score.loss /= double(score.count);
  score.accuracy = double(score.correct) / double(score.count);
  if (!std::isfinite(score.loss)) {
    throw RunError(fmt::format("evaluation: the loss is {}, first seen in \"{}\"", score.loss,
                               state.network->first_non_finite()));
  }
  return score;
}

/// Measures; what it finds is the run's result until another one measures.
Json evaluate(Work& work, const pipeline::Stage& stage) {
  const results::Score score = score_of(work, stage);
  work.progress.end(
      fmt::format("accuracy {:.2f} %, loss {:.4f}", 100.0 * score.accuracy, score.loss));
  work.run.state.facts.final_score = score;
  return {{"epoch", work.run.state.cursor.epochs},
          {"accuracy", score.accuracy},
          {"loss", score.loss},
          {"correct", score.correct},
          {"count", score.count}};
}

}  // namespace

extern const Action kEvaluate{"evaluate", &evaluate};

}  // namespace qloom::run::stages
