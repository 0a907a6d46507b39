// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/step_program/execute.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/step_program/numbers.hpp"
#include "host/step_program/tensors.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::step_program {
namespace {

/// body(place in x, place in w, place in y) for each product of the output channels first .. last -
/// 1 of one sample, in the order row, column, output channel, kernel row, kernel column, channel;
/// what lies outside of x has none.
template <class Body>
void for_each_product(const ContractionShape& s, std::int64_t first, std::int64_t last,
                      const Body& body) {
  const std::int64_t channels = s.in_c / s.groups, of_group = s.out_c / s.groups;
  for (std::int64_t at = 0; at < s.out_h() * s.out_w(); ++at) {
    const std::int64_t row = at / s.out_w() * s.stride_h - s.pad_top;
    const std::int64_t column = at % s.out_w() * s.stride_w - s.pad_left;
    for (std::int64_t o = first; o < last; ++o) {
      for (std::int64_t k = 0; k < s.kernel_h * s.kernel_w; ++k) {
        const std::int64_t h = row + k / s.kernel_w * s.dilation_h;
        const std::int64_t w = column + k % s.kernel_w * s.dilation_w;
        if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
        const std::int64_t x = (h * s.in_w + w) * s.in_c + o / of_group * channels;
        const std::int64_t weight = (o * s.kernel_h * s.kernel_w + k) * channels;
        for (std::int64_t c = 0; c < channels; ++c) body(x + c, weight + c, at * s.out_c + o);
      }
    }
  }
}

/// body(place in x, place in y, place in the window) for each element of a pool's windows in one
/// sample, by output, then row and column of the window; what lies outside of x has none.
template <class Body>
void for_each_element(const ContractionShape& s, const Body& body) {
  for (std::int64_t y = 0; y < s.out_h() * s.out_w() * s.in_c; ++y) {
    const std::int64_t at = y / s.in_c, c = y % s.in_c;
    for (std::int64_t k = 0; k < s.kernel_h * s.kernel_w; ++k) {
      const std::int64_t h = at / s.out_w() * s.stride_h - s.pad_top + k / s.kernel_w;
      const std::int64_t w = at % s.out_w() * s.stride_w - s.pad_left + k % s.kernel_w;
      if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
      body((h * s.in_w + w) * s.in_c + c, y, k);
    }
  }
}

std::int64_t normalised(const Op& op, std::int64_t x, std::int64_t e) {
  const std::int64_t shift = op.bits - e;
  const std::int64_t y = shift >= 0 ? x * (std::int64_t{1} << shift)
                                    : steps::shift_right(x, static_cast<int>(-shift), op.rounding);
  return std::clamp(y, op.low, op.high);
}

/// One step under way.
class Execution {
 public:
  Execution(const Program& program, const State& state, std::span<const std::int64_t> images,
            std::span<const std::int32_t> labels, std::int64_t samples)
      : program_(program), state_(state), labels_(labels), samples_(samples) {
    for (const Tensor& tensor : program.tensors) {
      const std::int64_t copies = tensor.each == Each::kSample ? samples : 1;
      values_.emplace_back(static_cast<std::size_t>(copies * tensor.size()));
    }
    std::copy(images.begin(), images.end(), of(program.images).begin());
    for (std::size_t i = 0; i < program.parameters.size(); ++i) {
      of(program.parameters[i].tensor) = state.weights[i];
    }
  }

  void run(Section section) {
    for (const Op& op : program_.ops) {
      if (op.section == section) run(op);
    }
  }
  [[nodiscard]] std::vector<Values>& values() { return values_; }
  Values& of(int tensor) { return values_[static_cast<std::size_t>(tensor)]; }

 private:
  /// Of one sample; of a tensor that is not of samples: all of it.
  std::int64_t* part(int tensor, std::int64_t sample) {
    const Tensor& t = program_.tensor(tensor);
    return of(tensor).data() + (t.each == Each::kSample ? sample * t.size() : 0);
  }
  template <class Body>
  void for_each_sample(const Body& body) {
    for_each(static_cast<std::uint64_t>(samples_),
             [&](std::uint64_t sample) { body(static_cast<std::int64_t>(sample)); });
  }

  void run(const Op& op) {
    switch (op.kind) {
      case Kind::kConv:
      case Kind::kDense:
      case Kind::kConvDx:
      case Kind::kDenseDx:
        return products(op);
      case Kind::kConvDw:
      case Kind::kDenseDw:
        return weight_products(op);
      case Kind::kMaxPool:
      case Kind::kMaxPlace:
      case Kind::kRoute:
        return windows(op);
      case Kind::kExponent:
        return exponent(op);
      case Kind::kSubtractLabel:
        return subtract_label(op);
      case Kind::kStochastic:
        return stochastic(op);
      case Kind::kMap:
      case Kind::kMultiply:
      case Kind::kSignificant:
      case Kind::kNormalise:
      case Kind::kUpdate:
        return elements(op);
    }
  }

  void products(const Op& op) {
    const bool is_forward = op.kind == Kind::kConv || op.kind == Kind::kDense;
    for_each_sample([&](std::int64_t sample) {
      const std::int64_t* from = part(op.inputs[0], sample);
      const std::int64_t* weights = part(op.inputs[1], sample);
      std::int64_t* to = part(op.output, sample);
      for_each_product(op.window, 0, op.window.out_c,
                       [&](std::int64_t x, std::int64_t w, std::int64_t y) {
                         is_forward ? to[y] += from[x] * weights[w] : to[x] += from[y] * weights[w];
                       });
    });
  }

  /// Each thread has output channels of its own.
  void weight_products(const Op& op) {
    std::int64_t* sums = part(op.output, 0);
    for_each(static_cast<std::uint64_t>(op.window.out_c), [&](std::uint64_t channel) {
      const auto o = static_cast<std::int64_t>(channel);
      for (std::int64_t sample = 0; sample < samples_; ++sample) {
        const std::int64_t *x = part(op.inputs[0], sample), *dy = part(op.inputs[1], sample);
        for_each_product(op.window, o, o + 1, [&](std::int64_t i, std::int64_t w, std::int64_t y) {
          sums[w] += x[i] * dy[y];
        });
      }
    });
  }

  void windows(const Op& op) {
    for_each_sample([&](std::int64_t sample) {
      const std::int64_t* from = part(op.inputs[0], sample);
      std::int64_t* to = part(op.output, sample);
      if (op.kind == Kind::kRoute) {
        const std::int64_t* places = part(op.inputs[1], sample);
        for_each_element(op.window, [&](std::int64_t x, std::int64_t y, std::int64_t place) {
          if (places[y] == place) to[x] += from[y];
        });
        return;
      }
      std::int64_t best = 0, last = -1;  // element of the output so far, and which
      for_each_element(op.window, [&](std::int64_t x, std::int64_t y, std::int64_t place) {
        if (y == last && from[x] <= best) return;
        best = from[x];
        last = y;
        to[y] = op.kind == Kind::kMaxPool ? best : place;
      });
    });
  }

  void exponent(const Op& op) {
    std::uint64_t most = 0;
    for (const std::int64_t v : of(op.inputs[0])) {
      most = std::max(most, static_cast<std::uint64_t>(v < 0 ? -v : v));
    }
    of(op.output)[0] = most == 0 ? 0 : exponent_of(most);
  }

  void subtract_label(const Op& op) {
    of(op.output) = of(op.inputs[0]);
    for (std::int64_t sample = 0; sample < samples_; ++sample) {
      part(op.output, sample)[labels_[static_cast<std::size_t>(sample)]] -= op.one;
    }
  }

  void stochastic(const Op& op) {
    const int shift = shift_at(op, state_.step) - static_cast<int>(of(op.inputs[1])[0]);
    RandomNumbers numbers(op, program_.seed, state_.step);
    std::transform(
        of(op.inputs[0]).begin(), of(op.inputs[0]).end(), of(op.output).begin(),
        [&](std::int64_t x) { return round_stochastic(x, shift, op.random_bits, numbers.next()); });
  }

  void elements(const Op& op) {
    const Values& x = of(op.inputs[0]);
    Values& y = of(op.output);
    const auto channels = static_cast<std::uint64_t>(program_.tensor(op.output).shape.back());
    const Values& second = of(op.inputs.back());
    for (std::size_t i = 0; i < x.size(); ++i) {
      switch (op.kind) {
        case Kind::kMap:
          y[i] = steps::apply(op.steps, i % channels, x[i]);
          break;
        case Kind::kMultiply:
          y[i] = x[i] * second[i];
          break;
        case Kind::kSignificant:
          y[i] = significant(x[i], op.bits);
          break;
        case Kind::kNormalise:
          y[i] = normalised(op, x[i], second[0]);
          break;
        case Kind::kConv:
        case Kind::kConvDx:
        case Kind::kConvDw:
        case Kind::kDense:
        case Kind::kDenseDx:
        case Kind::kDenseDw:
        case Kind::kMaxPool:
        case Kind::kMaxPlace:
        case Kind::kSubtractLabel:
        case Kind::kRoute:
        case Kind::kExponent:
        case Kind::kStochastic:
        case Kind::kUpdate:
          y[i] = std::clamp(x[i] - second[i], op.low, op.high);
          break;
      }
    }
  }

  const Program& program_;
  const State& state_;
  std::span<const std::int32_t> labels_;
  std::int64_t samples_;
  std::vector<Values> values_;
};

void require_batch(const Program& program, std::span<const std::int64_t> images,
                   std::span<const std::int32_t> labels) {
  const auto samples = static_cast<std::int64_t>(labels.size());
  const Tensor& tensor = program.tensor(program.images);
  if (samples < 1 || samples > program.batch ||
      static_cast<std::int64_t>(images.size()) != samples * tensor.size()) {
    throw RunError(fmt::format("{} values of images for {} labels, expected {} for each of 1 to {}",
                               images.size(), samples, tensor.size(), program.batch));
  }
  const std::int64_t classes = program.tensor(program.logits).size();
  for (const std::int32_t label : labels) {
    if (label >= 0 && label < classes) continue;
    throw RunError(fmt::format("label {}, expected 0 to {}", label, classes - 1));
  }
}

void require_images(const Program& program, std::span<const std::int64_t> images) {
  const Interval held = program.tensor(program.images).type.values();
  for (const std::int64_t value : images) {
    if (value >= held.lo && value <= held.hi) continue;
    throw RunError(fmt::format("{} in \"{}\", expected {} to {}", value,
                               program.tensor(program.images).name, held.lo, held.hi));
  }
}

}  // namespace

State initial_state(const Program& program) {
  State state;
  for (const Parameter& parameter : program.parameters) state.weights.push_back(parameter.initial);
  return state;
}

std::int64_t round_stochastic(std::int64_t x, int shift, int random_bits, std::uint32_t number) {
  const auto magnitude = static_cast<std::uint64_t>(x < 0 ? -x : x);
  if (shift >= 0) return x * (std::int64_t{1} << shift);
  const int n = -shift;
  const std::uint64_t down = n > 63 ? 0 : magnitude >> n;
  const std::uint64_t rest = n > 63 ? magnitude : magnitude & ((std::uint64_t{1} << n) - 1);
  const int by = n - random_bits;  // the first random_bits bits of the fraction rest / 2^n
  const std::uint64_t limit = by > 63 ? 0 : by >= 0 ? rest >> by : rest << -by;
  const auto up = number < limit ? 1 : 0;
  const auto y = static_cast<std::int64_t>(down) + up;
  return x < 0 ? -y : y;
}

int shift_at(const Op& op, std::uint64_t step) {
  int shift = op.rates[0].shift;
  for (const Rate& rate : op.rates) shift = step >= rate.step ? rate.shift : shift;
  return shift;
}

std::vector<Values> execute_step(const Program& program, State& state,
                                 std::span<const std::int64_t> images,
                                 std::span<const std::int32_t> labels) {
  require_batch(program, images, labels);
  require_images(program, images);
  Execution execution(program, state, images, labels, static_cast<std::int64_t>(labels.size()));
  for (const Section section : {Section::kForward, Section::kBackward, Section::kUpdate}) {
    execution.run(section);
  }
  for (std::size_t i = 0; i < program.parameters.size(); ++i) {
    state.weights[i] = execution.of(program.parameters[i].next);
  }
  ++state.step;
  return std::move(execution.values());
}

std::vector<std::int32_t> classify(const Program& program, const State& state,
                                   std::span<const std::int64_t> images) {
  require_images(program, images);
  const auto samples =
      static_cast<std::int64_t>(images.size()) / program.tensor(program.images).size();
  Execution execution(program, state, images, {}, samples);
  execution.run(Section::kForward);
  std::vector<std::int32_t> classes;
  const Values& logits = execution.of(program.logits);
  const std::int64_t count = program.tensor(program.logits).size();
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    const auto first = logits.begin() + sample * count;
    classes.push_back(static_cast<std::int32_t>(std::max_element(first, first + count) - first));
  }
  return classes;
}

}  // namespace qloom::step_program
