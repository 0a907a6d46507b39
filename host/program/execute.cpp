// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/execute.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/tensor/error.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::program {
namespace {

/// A tensor of one sample, in memory of all samples.
struct Part {
  const Tensor& tensor;
  std::int64_t* values;

  [[nodiscard]] std::int64_t* pixel(std::int64_t h, std::int64_t w) const {
    return values + (h * tensor.width + w) * tensor.channels;
  }
};

using Parts = std::vector<Part>;

/// body(h, w) for each pixel.
template <class Body>
void for_each_pixel(const Part& part, const Body& body) {
  for (std::int64_t h = 0; h < part.tensor.height; ++h) {
    for (std::int64_t w = 0; w < part.tensor.width; ++w) body(h, w);
  }
}

/// body(place in the kernel, row, column) for the places of the window at (h, w), padding
/// included.
template <class Body>
void for_each_place(const ContractionShape& s, std::int64_t h, std::int64_t w, const Body& body) {
  for (std::int64_t kh = 0; kh < s.kernel_h; ++kh) {
    for (std::int64_t kw = 0; kw < s.kernel_w; ++kw) {
      body(kh * s.kernel_w + kw, h * s.stride_h - s.pad_top + kh * s.dilation_h,
           w * s.stride_w - s.pad_left + kw * s.dilation_w);
    }
  }
}

bool is_inside(const ContractionShape& s, std::int64_t row, std::int64_t column) {
  return row >= 0 && row < s.in_h && column >= 0 && column < s.in_w;
}

/// One product after the other on what the register holds.
std::int64_t with_products(std::int64_t sum, const Register& held, const std::int64_t* x,
                           std::int64_t zero, const std::int32_t* weights, std::int64_t count) {
  if (held.overflow == Overflow::kNever) {
    for (std::int64_t i = 0; i < count; ++i) sum += (x[i] - zero) * weights[i];
    return sum;
  }
  const steps::Step narrow{
      .op = held.overflow == Overflow::kWrap ? steps::Op::kWrap : steps::Op::kSaturate,
      .constants = {held.bits}};
  for (std::int64_t i = 0; i < count; ++i) {
    sum = steps::apply(narrow, 0, sum + (x[i] - zero) * weights[i]);
  }
  return sum;
}

/// Products in the order kernel_h, kernel_w, channel.
void run_products(const Op& op, const Part& in, const Part& out) {
  const ContractionShape& s = op.window;
  const std::int64_t channels = s.in_c / s.groups, zero = in.tensor.zero_point;
  const std::vector<std::int64_t> padding(static_cast<std::size_t>(channels), op.pad);
  for_each_pixel(out, [&](std::int64_t h, std::int64_t w) {
    for (std::int64_t c = 0; c < s.out_c; ++c) {
      const std::int64_t first = c / (s.out_c / s.groups) * channels;
      const std::int32_t* weights = op.weights.data() + c * s.fan_in();
      std::int64_t sum = 0;
      for_each_place(s, h, w, [&](std::int64_t place, std::int64_t row, std::int64_t column) {
        const std::int64_t* x = is_inside(s, row, column)
                                    ? in.values + (row * s.in_w + column) * s.in_c + first
                                    : padding.data();
        sum = with_products(sum, op.sum, x, zero, weights + place * channels, channels);
      });
      out.pixel(h, w)[c] = sum;
    }
  });
}

void run_map(const Op& op, const Part& in, const Part& out) {
  for_each_pixel(out, [&](std::int64_t h, std::int64_t w) {
    for (std::int64_t c = 0; c < out.tensor.channels; ++c) {
      out.pixel(h, w)[c] = steps::apply(op.steps, static_cast<std::uint64_t>(c), in.pixel(h, w)[c]);
    }
  });
}

void run_join(const Op& op, const Parts& parts, const Part& out) {
  for_each_pixel(out, [&](std::int64_t h, std::int64_t w) {
    for (std::int64_t c = 0; c < out.tensor.channels; ++c) {
      const auto channel = static_cast<std::uint64_t>(c);
      std::int64_t sum = 0;
      for (std::size_t i = 0; i < op.inputs.size(); ++i) {
        const Part& in = parts[static_cast<std::size_t>(op.inputs[i])];
        sum += steps::apply(op.input_steps[i], channel, in.pixel(h, w)[c] - in.tensor.zero_point);
      }
      out.pixel(h, w)[c] = steps::apply(op.steps, channel, sum);
    }
  });
}

void run_concat(const Op& op, const Parts& parts, const Part& out) {
  for_each_pixel(out, [&](std::int64_t h, std::int64_t w) {
    std::int64_t* to = out.pixel(h, w);
    for (const int input : op.inputs) {
      const Part& in = parts[static_cast<std::size_t>(input)];
      to = std::copy_n(in.pixel(h, w), in.tensor.channels, to);
    }
  });
}

void run_sum_pool(const Op& op, const Part& in, const Part& out) {
  for_each_pixel(out, [&](std::int64_t h, std::int64_t w) {
    for (std::int64_t c = 0; c < out.tensor.channels; ++c) {
      std::int64_t sum = 0;
      for_each_place(op.window, h, w, [&](std::int64_t, std::int64_t row, std::int64_t column) {
        sum += in.pixel(row, column)[c] - in.tensor.zero_point;
      });
      out.pixel(h, w)[c] = sum;
    }
  });
}

void run_max_pool(const Op& op, const Part& in, const Part& out) {
  for_each_pixel(out, [&](std::int64_t h, std::int64_t w) {
    for (std::int64_t c = 0; c < out.tensor.channels; ++c) {
      std::int64_t most = in.tensor.type.values().lo;
      for_each_place(op.window, h, w, [&](std::int64_t, std::int64_t row, std::int64_t column) {
        if (is_inside(op.window, row, column)) most = std::max(most, in.pixel(row, column)[c]);
      });
      out.pixel(h, w)[c] = most;
    }
  });
}

void run(const Op& op, const Parts& parts) {
  const Part& in = parts[static_cast<std::size_t>(op.inputs[0])];
  const Part& out = parts[static_cast<std::size_t>(op.output)];
  switch (op.kind) {
    case Kind::kConv:
    case Kind::kDense:
      return run_products(op, in, out);
    case Kind::kMap:
      return run_map(op, in, out);
    case Kind::kJoin:
      return run_join(op, parts, out);
    case Kind::kConcat:
      return run_concat(op, parts, out);
    case Kind::kSumPool:
      return run_sum_pool(op, in, out);
    case Kind::kMaxPool:
      return run_max_pool(op, in, out);
    case Kind::kArgmax:
      out.values[0] = std::max_element(in.values, in.values + in.tensor.size()) - in.values;
      return;
    case Kind::kReshape:
      std::copy_n(in.values, in.tensor.size(), out.values);
      return;
  }
}

}  // namespace

void require_input(const Program& program, std::span<const std::int64_t> input,
                   std::int64_t samples) {
  const Tensor& tensor = program.tensor(program.input);
  if (input.size() != static_cast<std::size_t>(samples * tensor.size())) {
    throw RunError(fmt::format("input \"{}\": {} values, expected {} samples of {}", tensor.name,
                               input.size(), samples, tensor.size()));
  }
  const Interval held = tensor.type.values();
  std::uint64_t beyond = 0;  // one pass without a branch; who reads it is in a hurry
  for (const std::int64_t value : input) beyond += value < held.lo || value > held.hi ? 1 : 0;
  if (beyond == 0) return;
  const auto bad = std::find_if(input.begin(), input.end(), [&](std::int64_t value) {
    return value < held.lo || value > held.hi;
  });
  const std::int64_t place = bad - input.begin();
  throw RunError(fmt::format("input \"{}\": {} at element {} of sample {}, expected {} to {} ({})",
                             tensor.name, *bad, place % tensor.size(), place / tensor.size(),
                             held.lo, held.hi, tensor.type.text()));
}

void execute(const Program& program, const Op& op, const std::vector<std::int64_t*>& tensors) {
  Parts parts;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    parts.push_back({program.tensors[i], tensors[i]});
  }
  run(op, parts);
}

std::vector<Values> execute(const Program& program, std::span<const std::int64_t> input,
                            std::int64_t samples) {
  require_input(program, input, samples);
  std::vector<Values> values;
  for (const Tensor& tensor : program.tensors) {
    values.emplace_back(static_cast<std::size_t>(samples * tensor.size()));
  }
  std::copy(input.begin(), input.end(), values[static_cast<std::size_t>(program.input)].begin());
  for_each(static_cast<std::uint64_t>(samples), [&](std::uint64_t sample) {
    Parts parts;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const Tensor& tensor = program.tensors[i];
      parts.push_back(
          {tensor, values[i].data() + static_cast<std::int64_t>(sample) * tensor.size()});
    }
    for (const Op& op : program.ops) run(op, parts);
  });
  return values;
}

}  // namespace qloom::program
