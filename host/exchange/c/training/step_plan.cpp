// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/training/step_plan.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "host/exchange/c/types.hpp"
#include "host/tensor/error.hpp"

namespace qloom::exchange::c {
namespace {

using step_program::Each;
using StepKind = step_program::Kind;
using StepOp = step_program::Op;
using StepProgram = step_program::Program;

bool is_of_samples(const StepProgram& program, int tensor) {
  return program.tensor(tensor).each == Each::kSample;
}

/// Operations that the tensors asked for need.
std::vector<bool> needed_for(const StepProgram& program, const std::vector<int>& asked) {
  std::vector<bool> tensors(program.tensors.size()), ops(program.ops.size());
  for (const int tensor : asked) tensors[static_cast<std::size_t>(tensor)] = true;
  for (std::size_t i = program.ops.size(); i-- > 0;) {
    const StepOp& op = program.ops[i];
    ops[i] = tensors[static_cast<std::size_t>(op.output)];
    if (!ops[i]) continue;
    for (const int input : op.inputs) tensors[static_cast<std::size_t>(input)] = true;
  }
  return ops;
}

/// Phases of the operations; updates run last, when nobody reads the old weights any more.
std::vector<Phase> phases_of(const StepProgram& program, const std::vector<bool>& needed) {
  std::vector<std::size_t> ready(program.tensors.size());
  std::vector<Phase> phases(1);
  std::vector<int> updates;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    if (!needed[i]) continue;
    const StepOp& op = program.ops[i];
    if (op.kind == StepKind::kUpdate) {
      updates.push_back(static_cast<int>(i));
      continue;
    }
    std::size_t phase = 0;
    for (const int input : op.inputs)
      phase = std::max(phase, ready[static_cast<std::size_t>(input)]);
    if (phases.size() <= phase) phases.resize(phase + 1);
    const bool is_sum = sums_samples(program, op);
    const bool in_loop = is_sum || is_of_samples(program, op.output);
    (in_loop ? phases[phase].samples : phases[phase].whole).push_back(static_cast<int>(i));
    ready[static_cast<std::size_t>(op.output)] = phase + (is_sum ? 1 : 0);
  }
  if (!updates.empty()) phases.push_back({updates, {}});
  return phases;
}

/// From the operation that writes a tensor to the last that reads it, counted in the order in which
/// they run.
struct Life {
  std::int64_t first = 0, last = 0;
};

/// When each operation runs, and when the loop around it begins and ends.
struct Moments {
  std::vector<std::int64_t> at, begin, end;
  std::vector<std::size_t> phase;

  Moments(const StepProgram& program, const std::vector<Phase>& phases)
      : at(program.ops.size(), -1), begin(at), end(at), phase(program.ops.size()) {
    std::int64_t now = 0;
    for (std::size_t p = 0; p < phases.size(); ++p) {
      for (const int op : phases[p].whole) set(op, p, now, now, now), ++now;
      const std::int64_t first = now;
      const auto last = first + static_cast<std::int64_t>(phases[p].samples.size()) - 1;
      for (const int op : phases[p].samples) set(op, p, now++, first, last);
    }
  }

 private:
  void set(int op, std::size_t p, std::int64_t now, std::int64_t first, std::int64_t last) {
    const auto i = static_cast<std::size_t>(op);
    at[i] = now;
    begin[i] = first;
    end[i] = last;
    phase[i] = p;
  }
};

/// Places tensors, the largest first, at the lowest offset that is free as long as they live.
class Placing {
 public:
  Placing(const StepProgram& program, StepPlan& plan, std::int64_t batch)
      : program_(program), plan_(plan), moments_(program, plan.phases), batch_(batch) {
    plan_.places.resize(program.tensors.size());
    place_given();
    lives_.resize(program.tensors.size());
    sizes_.resize(program.tensors.size());
    for (std::size_t i = 0; i < program.ops.size(); ++i) {
      if (moments_.at[i] >= 0) measure(i);
    }
    place_all();
  }

 private:
  void place_given() {
    place(program_.images).where = StepPlace::Where::kImages;
    place(program_.images).is_of_batch = true;
    for (const step_program::Parameter& parameter : program_.parameters) {
      place(parameter.tensor).where = StepPlace::Where::kParameter;
      place(parameter.next).where = StepPlace::Where::kParameter;
    }
  }
  StepPlace& place(int tensor) { return plan_.places[static_cast<std::size_t>(tensor)]; }

  /// How long the output of operation i lives, and how large it is.
  void measure(std::size_t i) {
    const StepOp& op = program_.ops[i];
    StepPlace& place = this->place(op.output);
    if (place.where == StepPlace::Where::kParameter) return;
    if (op.kind == StepKind::kExponent) {
      place.where = StepPlace::Where::kNumber;
      return;
    }
    place.where = StepPlace::Where::kArena;
    Life life{moments_.at[i], moments_.at[i]};
    bool is_of_batch = false;
    const bool is_sample = is_of_samples(program_, op.output);
    if (!is_sample) life.first = moments_.begin[i];
    for (std::size_t r = 0; r < program_.ops.size(); ++r) {
      const StepOp& reader = program_.ops[r];
      const bool reads =
          std::find(reader.inputs.begin(), reader.inputs.end(), op.output) != reader.inputs.end();
      if (!reads || moments_.at[r] < 0) continue;
      const bool is_later = moments_.phase[r] != moments_.phase[i];
      is_of_batch = is_of_batch || (is_sample && is_later);
      life.last = std::max(life.last, is_sample && !is_later ? moments_.at[r] : moments_.end[r]);
    }
    if (is_of_batch) life.first = moments_.begin[i];
    place.is_of_batch = is_of_batch;
    const auto tensor = static_cast<std::size_t>(op.output);
    const step_program::Tensor& t = program_.tensor(op.output);
    const std::int64_t bytes =
        t.size() * stored(t.type.values()).bytes() * (is_of_batch ? batch_ : 1);
    lives_[tensor] = life;
    sizes_[tensor] = (bytes + 7) / 8 * 8;
  }

  void place_all() {
    std::vector<std::size_t> order;
    for (std::size_t t = 0; t < sizes_.size(); ++t) {
      if (sizes_[t] > 0) order.push_back(t);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return sizes_[a] > sizes_[b]; });
    std::vector<std::size_t> placed;
    for (const std::size_t t : order) {
      plan_.places[t].offset = free_offset(t, placed);
      plan_.arena = std::max(plan_.arena, plan_.places[t].offset + sizes_[t]);
      placed.push_back(t);
    }
    for (const std::size_t t : order) {
      std::int64_t at_once = 0;
      for (const std::size_t other : order) {
        const bool lives =
            lives_[other].first <= lives_[t].first && lives_[t].first <= lives_[other].last;
        at_once += lives ? sizes_[other] : 0;
      }
      plan_.least = std::max(plan_.least, at_once);
    }
  }

  [[nodiscard]] std::int64_t free_offset(std::size_t t,
                                         const std::vector<std::size_t>& placed) const {
    std::vector<std::size_t> beside;
    for (const std::size_t other : placed) {
      if (lives_[other].first <= lives_[t].last && lives_[t].first <= lives_[other].last) {
        beside.push_back(other);
      }
    }
    std::sort(beside.begin(), beside.end(), [&](std::size_t a, std::size_t b) {
      return plan_.places[a].offset < plan_.places[b].offset;
    });
    std::int64_t offset = 0;
    for (const std::size_t other : beside) {
      if (plan_.places[other].offset >= offset + sizes_[t]) break;
      offset = std::max(offset, plan_.places[other].offset + sizes_[other]);
    }
    return offset;
  }

  const StepProgram& program_;
  StepPlan& plan_;
  Moments moments_;
  std::int64_t batch_;
  std::vector<Life> lives_;
  std::vector<std::int64_t> sizes_;
};

/// New weights take the place of the old ones: nothing may read both.
void require_one_copy(const StepProgram& program) {
  for (std::size_t i = 0; i < program.parameters.size(); ++i) {
    for (const StepOp& op : program.ops) {
      const auto reads = [&](int tensor) {
        return std::find(op.inputs.begin(), op.inputs.end(), tensor) != op.inputs.end();
      };
      const step_program::Parameter& parameter = program.parameters[i];
      const bool is_other_update =
          op.kind == StepKind::kUpdate && op.output != parameter.next && reads(parameter.tensor);
      if (!reads(parameter.next) && !is_other_update) continue;
      throw InputError(fmt::format(
          "/parameters/{}: \"{}\" reads weights that are replaced; C holds them once", i, op.name));
    }
  }
}

}  // namespace

bool sums_samples(const StepProgram& program, const StepOp& op) {
  return step_program::traits_of(op.kind).is_reduction && is_of_samples(program, op.inputs[0]);
}

StepPlan plan_step(const StepProgram& program) {
  require_one_copy(program);
  std::vector<int> asked;
  for (const step_program::Parameter& parameter : program.parameters) {
    asked.push_back(parameter.next);
  }
  StepPlan plan;
  plan.phases = phases_of(program, needed_for(program, asked));
  Placing(program, plan, program.batch);
  return plan;
}

StepPlan plan_run(const StepProgram& program) {
  StepPlan plan;
  plan.phases = phases_of(program, needed_for(program, {program.logits}));
  Placing(program, plan, 1);
  return plan;
}

}  // namespace qloom::exchange::c
