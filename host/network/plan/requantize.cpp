// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Codes out of integer sums: the task from the present scales, the steps that the method gives, and
// the steps on every sum.
#include "host/network/plan/requantize.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "host/kernels/stored_codes.hpp"
#include "host/layers/common/pool.hpp"
#include "host/network/plan/execution.hpp"
#include "host/steps/block.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

using layers::OfCodes;
using methods::RequantizeTask;
using steps::Interval;

/// The bound of a clamp in grid steps as its code: the one that the rounding of all values gives
/// it.
double rounded(double t, std::uint32_t rule) {
  if (rule == QLOOM_ROUND_NEAREST_AWAY) return std::round(t);
  if (rule == QLOOM_ROUND_NEAREST_UP) return std::floor(t + 0.5);
  if (rule == QLOOM_ROUND_TOWARD_ZERO) return std::trunc(t);
  if (rule == QLOOM_ROUND_TOWARD_NEGATIVE) return std::floor(t);
  if (rule == QLOOM_ROUND_TOWARD_POSITIVE) return std::ceil(t);
  return std::nearbyint(t);  // NEAREST_EVEN: lowering lets no other pass
}

Interval codes_of(const Operand& x) {
  return {static_cast<std::int64_t>(x.code_min), static_cast<std::int64_t>(x.code_max)};
}

bool has_planes(const Node& start) { return start.planes != nullptr && start.planes->are_there; }

/// What of a sum's reach its accumulator's register holds: all, or what overflows come to.
Interval held(Interval sum, const AccumulatorRef& accumulator) {
  const bool is_modelled =
      accumulator.ops != nullptr && accumulator.ops->is_exact(accumulator.self) == 0;
  const std::uint32_t bits = is_modelled ? accumulator.ops->bits(accumulator.self) : 64;
  if (bits == 0 || bits > 62) return sum;
  const std::int64_t half = std::int64_t{1} << (bits - 1);
  return sum.lo >= -half && sum.hi < half ? sum : Interval{-half, half - 1};
}

/// What a sum of each output channel can reach, from the signs of the weights.
std::vector<Interval> reach(const Execution& e, const Node& node, const Operand& w_operand) {
  const AccumulatorRef accumulator = e.accumulators->reference(node, 0, e.pass);
  const ContractionShape shape = node.layer->type->contraction(*node.layer, 1);
  const Interval x = codes_of(node.input_operand);
  const auto count = static_cast<std::uint64_t>(shape.w_size());
  std::vector<float> weights(count);
  kernels::load_codes(w_operand.codes, weights.data(), count);
  std::vector<Interval> sums;
  const auto k = static_cast<std::size_t>(shape.fan_in());
  for (std::size_t o = 0; o < static_cast<std::size_t>(shape.out_c); ++o) {
    Interval sum{0, 0};
    for (std::size_t i = o * k; i < (o + 1) * k; ++i) {
      const auto w = static_cast<std::int64_t>(weights[i]);
      sum.lo += std::min(w * x.lo, w * x.hi);
      sum.hi += std::max(w * x.lo, w * x.hi);
    }
    sums.push_back(held(sum, accumulator));
  }
  return sums;
}

/// Two sums, of the weights above 0 and of those below.
void take_planes(const Execution& e, const Node& start, RequantizeTask& task) {
  const WeightPlanes& planes = *start.planes;
  for (std::size_t p = 0; p < WeightPlanes::kCount; ++p) {
    const std::vector<Interval> sums = reach(e, start, planes.weights[p]);
    task.sums.insert(task.sums.end(), sums.begin(), sums.end());
    for (const double value : planes.value[p]) {
      task.factor.push_back(double{*start.input_operand.scale} * value);
    }
  }
  task.inputs = WeightPlanes::kCount;
}

/// Of a contraction.
void take_products(const Execution& e, const Node& start, RequantizeTask& task) {
  if (has_planes(start)) {
    take_planes(e, start, task);
  } else {
    const Operand &x = start.input_operand, &w = start.weight_operand;
    task.sums = reach(e, start, w);
    for (std::size_t c = 0; c < task.channels; ++c) {
      task.factor.push_back(double{*x.scale} * double{w.scale[w.scale_count == 1 ? 0 : c]});
    }
  }
  for (std::size_t c = 0; c < task.channels; ++c) {
    if (!start.bias_integers.empty()) {
      task.offset[c] = start.bias_integers[c] * task.factor[c];
    } else if (start.bias_values != nullptr) {
      task.offset[c] = double{start.bias_values[c]};
    }
  }
}

/// Of an average pool, or of codes side by side: one integer, whose channels have scales of their
/// own where those of the codes have.
void take_one(const Execution& e, const Node& start, RequantizeTask& task) {
  const bool is_mean = start.layer->type->of_codes == OfCodes::kMean;
  const Operand x = is_mean ? handed_on(e, e.node(start.inputs[0])) : start.coded;
  const std::int64_t count =
      is_mean ? layers::common_count(layers::pool_shape(*start.layer, 1)) : 1;
  const Interval codes = codes_of(x);
  for (std::size_t c = 0; c < task.channels; ++c) {
    const double scale = double{x.scale[x.scale_count == 1 ? 0 : c]};
    task.factor.push_back(scale / static_cast<double>(count));
    task.sums.push_back({codes.lo * count, codes.hi * count});
  }
}

/// Factors, offsets and reach of the sums themselves.
void begin_task(const Execution& e, const Node& start, RequantizeTask& task) {
  const auto channels = static_cast<std::size_t>(task.channels);
  task.offset.assign(channels, 0);
  if (start.weight != nullptr) return take_products(e, start, task);
  if (start.layer->type->of_codes != OfCodes::kSum) return take_one(e, start, task);
  for (const int i : start.inputs) {
    const Operand x = handed_on(e, e.node(i));
    for (std::size_t c = 0; c < channels; ++c) {
      task.factor.push_back(double{x.scale[x.scale_count == 1 ? 0 : c]});
    }
    task.sums.insert(task.sums.end(), channels, codes_of(x));
  }
  task.inputs = static_cast<std::uint32_t>(start.inputs.size());
}

/// Norms and clamps between the sums and the codes.
void take_behind(const Execution& e, const Requantized& group, double scale, std::int32_t zero,
                 RequantizeTask& task) {
  const auto channels = static_cast<std::size_t>(task.channels);
  for (const Node* node : group.behind) {
    if (node->norm != nullptr) {
      std::vector<float> factor, shift;
      node->norm->inference(e.pass, factor, shift);
      for (std::size_t i = 0; i < task.factor.size(); ++i) {
        task.factor[i] *= double{factor[i % channels]};
      }
      for (std::size_t c = 0; c < channels; ++c) {
        task.offset[c] = task.offset[c] * double{factor[c]} + double{shift[c]};
      }
    }
    if (!node->layer->type->clamp) continue;
    const auto [low, high] = *node->layer->type->clamp;
    const auto code = [&](double value) { return rounded(value / scale, task.rounding) + zero; };
    const auto bounded = [&](double v) {
      return std::clamp<double>(v, static_cast<double>(task.codes.lo),
                                static_cast<double>(task.codes.hi));
    };
    const Interval before = task.codes;
    task.codes.lo = static_cast<std::int64_t>(bounded(code(low)));
    task.codes.hi = high < 1e300 ? static_cast<std::int64_t>(bounded(code(high))) : before.hi;
  }
}

/// The codes that are wanted, and what the sums are.
RequantizeTask task_without_behind(const Execution& e, const Node& quantize) {
  const Node& start = *quantize.requantized->start;
  const qloom_encoding encoding = quantize.site->encoding();
  RequantizeTask task;
  task.channels = static_cast<std::uint64_t>(start.out_shape.channels);
  task.zero_point = encoding.grid.zero_point[0];
  task.codes = {encoding.grid.code_min[0], encoding.grid.code_max[0]};
  task.rounding = quantize.site->rounding_rule();
  begin_task(e, start, task);
  return task;
}

RequantizeTask task_of(const Execution& e, const Node& quantize) {
  RequantizeTask task = task_without_behind(e, quantize);
  const double scale = double{quantize.site->encoding().grid.scale[0]};
  take_behind(e, *quantize.requantized, scale, task.zero_point, task);
  for (double& factor : task.factor) factor /= scale;
  for (double& offset : task.offset) offset /= scale;
  return task;
}

bool is_same(const RequantizeTask& a, const RequantizeTask& b) {
  return a.inputs == b.inputs && a.channels == b.channels && a.factor == b.factor &&
         a.offset == b.offset && a.sums == b.sums && a.codes == b.codes &&
         a.zero_point == b.zero_point && a.rounding == b.rounding;
}

/// Has the layer that begins the group its integers in this pass?
bool has_integers(const Execution& e, const Node& start) {
  const OfCodes of_codes = start.layer->type->of_codes;
  if (of_codes == OfCodes::kBeside) return static_cast<bool>(start.coded.codes);
  if (of_codes != OfCodes::kSum) return !start.sums.empty() || has_planes(start);
  return std::all_of(start.inputs.begin(), start.inputs.end(), [&](int i) {
    const Operand x = handed_on(e, e.node(i));
    return x.codes && x.scale_count > 0;
  });
}

/// Has a quantizer of the group seen no value but 0, so that its codes are not known yet?
bool awaits_codes(const Execution& e, const Node& quantize) {
  const auto waits = [](const SiteQuantizer* site) {
    return site != nullptr && site->is_waiting();
  };
  const Node& start = *quantize.requantized->start;
  return waits(quantize.site.get()) ||
         (start.weight != nullptr && waits(start.weight->forward.get())) ||
         std::any_of(start.inputs.begin(), start.inputs.end(), [&](int i) {
           const Node& input = e.node(i);
           return waits(input.type == Node::Type::kQuantize ? input.site.get() : input.grid);
         });
}

/// Why the layer that begins the group has no integers in this pass.
std::string without_integers(const Execution& e, const Node& start) {
  if (start.weight != nullptr) return without_codes(start);
  for (const int i : start.inputs) {
    const Operand x = handed_on(e, e.node(i));
    if (x.codes && x.scale_count > 0) continue;
    return fmt::format("what it reads of \"{}\" has no integer codes", e.node(i).name);
  }
  return "the codes that it reads are too wide for its sums";
}

/// Codes that the method is asked for before its factors are known, since a norm still follows
/// the batch: one channel, a factor that brings the sums' reach to the codes.
RequantizeTask trial_of(const Execution& e, const Node& quantize) {
  RequantizeTask task = task_without_behind(e, quantize);
  const std::vector<Interval> sums = std::move(task.sums);
  const auto span = static_cast<double>(task.codes.hi - task.codes.lo + 1);
  task.sums.assign(task.inputs, {0, 0});
  task.factor.assign(task.inputs, 1);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const std::size_t input = i / task.channels;
    Interval& sum = task.sums[input];
    sum = {std::min(sum.lo, sums[i].lo), std::max(sum.hi, sums[i].hi)};
    const auto most = static_cast<double>(std::max<std::int64_t>({-sum.lo, sum.hi, 1}));
    task.factor[input] = std::min(1.0, std::ldexp(1.0, std::ilogb(span / most)));
  }
  task.channels = 1;
  task.offset.assign(1, 0);
  return task;
}

/// InputError with the rule's place where the requantizer has no integers to begin with although
/// it acts, or cannot give these codes whatever its factors: at the first batch that can tell.
void require_possible(const Execution& e, const Node& quantize) {
  Requantized& group = *quantize.requantized;
  const sites::QuantizerSpec& spec = quantize.site->spec();
  if (!quantize.site->is_coded() || quantize.site->encoding().grid.offset != nullptr) {
    throw InputError(fmt::format(
        "{}: a requantizer makes integers, and codes of \"{}\" at \"{}\" do not stand for equally "
        "spaced numbers of which 0 is one; expected a quantizer such as affine, lsq or fixed_point",
        spec.quantizer.where, spec.quantizer.method->id, quantize.site->context().name));
  }
  const bool has = has_integers(e, *group.start);
  if (!has && group.acts) {
    throw InputError(fmt::format("{}: \"{}\" has no integer sums in this pass: {}",
                                 spec.requantizer.where, group.start->name,
                                 without_integers(e, *group.start)));
  }
  if (!has || group.is_possible) return;
  try {
    static_cast<void>(group.method.derive(trial_of(e, quantize)));
  } catch (const registry::Refusal& refusal) {
    throw InputError(fmt::format("{}: {}", spec.requantizer.where, refusal.what()));
  }
  group.is_possible = true;
}

/// The integers that the steps of a tile begin with.
class Integers {
 public:
  Integers(const Execution& e, const Node& start) : start_(start) {
    const OfCodes of_codes = start.layer->type->of_codes;
    if (of_codes == OfCodes::kBeside) inputs_.push_back(start.coded.codes);
    if (of_codes != OfCodes::kSum) return;
    for (const int i : start.inputs) inputs_.push_back(handed_on(e, e.node(i)).codes);
  }
  /// Steps on elements first .. first + n - 1, n at most a tile.
  void requantize(const methods::Requantization& steps, std::uint64_t first, std::uint64_t n,
                  std::int32_t* codes) const {
    const auto channels = static_cast<std::uint64_t>(start_.out_shape.channels);
    std::array<std::int64_t, kTileElements> v, sum;
    std::fill_n(sum.data(), n, 0);
    if (steps.before.empty()) load(0, first, n, sum.data());
    for (std::size_t k = 0; k < steps.before.size(); ++k) {
      load(k, first, n, v.data());
      steps::apply_block(steps.before[k], channels, first, n, v.data());
      for (std::uint64_t i = 0; i < n; ++i) sum[i] += v[i];
    }
    steps::apply_block(steps.behind, channels, first, n, sum.data());
    std::copy_n(sum.data(), n, codes);
  }

 private:
  /// Of input number k: codes, sums of a plane of weights, or the only sums.
  void load(std::size_t k, std::uint64_t first, std::uint64_t n, std::int64_t* v) const {
    if (inputs_.empty()) {
      const auto& sums = has_planes(start_) ? start_.planes->sums[k] : start_.sums;
      std::copy_n(sums.data() + first, n, v);
      return;
    }
    std::array<float, kTileElements> numbers;
    kernels::load_codes(inputs_[k].from(first), numbers.data(), n);
    std::copy_n(numbers.data(), n, v);
  }

  const Node& start_;
  std::vector<CodeView> inputs_;
};

}  // namespace

bool is_affine(const Requantized& group, const Pass& pass) {
  return std::none_of(group.behind.begin(), group.behind.end(), [&](const Node* node) {
    return (node->norm != nullptr && pass.norms_train) ||
           (node->layer->type->acts_in_training_only && pass.phase.training);
  });
}

void forward_requantized(Execution& e, Node& quantize) {
  Requantized& group = *quantize.requantized;
  const Tensor& x = *e.node(quantize.inputs[0]).value;
  SiteQuantizer& site = *quantize.site;
  site.begin_forward(x, e.pass.phase);
  const bool awaits = awaits_codes(e, quantize);
  group.acts = is_affine(group, e.pass) && !awaits;
  if (!awaits) require_possible(e, quantize);
  CodedTensor* const codes = place_codes(quantize);
  quantize.value = hands_on_codes_alone(e, quantize) ? nullptr : &quantize.out;
  Tensor* const y = quantize.value == nullptr ? nullptr : &quantize.out;
  if (!group.acts) return site.end_forward(x, y, codes);
  RequantizeTask task = task_of(e, quantize);
  if (!is_same(task, group.task)) {
    group.task = std::move(task);
    group.steps = group.method.derive(group.task);
  }
  const Integers integers(e, *group.start);
  site.end_forward(
      x,
      [&](std::uint64_t first, std::uint64_t n, std::int32_t* to) {
        integers.requantize(group.steps, first, n, to);
      },
      y, codes);
}

}  // namespace qloom::network
