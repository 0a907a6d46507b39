// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Everything about a program that can be said without going through its numbers.
#include <algorithm>
#include <cmath>
#include <set>

#include "host/program/fault.hpp"
#include "host/program/kinds.hpp"

namespace qloom::program {
namespace {

constexpr std::int64_t kMostExtent = 65536;  // rows, columns, numbers of a window
constexpr std::int64_t kMostChannels = std::int64_t{1} << 18;
constexpr std::int64_t kMostElements = std::int64_t{1} << 28;   // of a tensor, for one sample
constexpr std::int64_t kMostZeroPoint = std::int64_t{1} << 62;  // and the least with a minus

std::string shape_text(std::int64_t height, std::int64_t width, std::int64_t channels) {
  return fmt::format("{} x {} x {}", height, width, channels);
}
std::string shape_text(const Tensor& t) { return shape_text(t.height, t.width, t.channels); }

/// A letter or "_", then letters, digits, "_", "." and "-".
bool is_name(const std::string& name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto may_follow = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), may_follow);
}

void require_name(const std::string& name, std::set<std::string>& taken, const std::string& at) {
  require(is_name(name), at + "/name",
          "\"{}\", expected a letter or \"_\", then letters, digits, \"_\", \".\", \"-\"", name);
  require(taken.insert(name).second, at + "/name", "\"{}\" stands twice", name);
}

void require_type(Type type, int most, const std::string& at) {
  require(type.bits >= 1 && type.bits <= most, at, "{} bits, expected 1 to {}", type.bits, most);
}

void require_tensor(const Tensor& t, const std::string& at) {
  const bool has_extents = t.height >= 1 && t.height <= kMostExtent && t.width >= 1 &&
                           t.width <= kMostExtent && t.channels >= 1 && t.channels <= kMostChannels;
  require(has_extents && t.height * t.width <= kMostElements / t.channels, at + "/shape",
          "{}, expected extents from 1 to {}, channels to {}, elements to {}", shape_text(t),
          kMostExtent, kMostChannels, kMostElements);
  require_type(t.type, 64, at + "/type");
  require(t.zero_point >= -kMostZeroPoint && t.zero_point <= kMostZeroPoint, at + "/zero_point",
          "{}, expected {} to {}", t.zero_point, -kMostZeroPoint, kMostZeroPoint);
  const std::size_t scales = t.scale.size();
  require(scales <= 1 || scales == static_cast<std::size_t>(t.channels), at + "/scale",
          "{} numbers, expected none, 1 or {}", scales, t.channels);
  const auto bad = std::find_if_not(t.scale.begin(), t.scale.end(),
                                    [](double scale) { return std::isfinite(scale); });
  require(bad == t.scale.end(), at + "/scale", "a number that is not finite");
}

/// The numbers of a window and what it makes of the input's height and width.
void require_window(const ContractionShape& w, const Tensor& in, const Tensor& out,
                    const std::string& at) {
  require(w.batch == 1 && w.in_h == in.height && w.in_w == in.width && w.in_c == in.channels, at,
          "a window for {} samples of {}, expected 1 of {}", w.batch,
          shape_text(w.in_h, w.in_w, w.in_c), shape_text(in));
  const auto require_pair = [&](const char* key, std::int64_t least, std::int64_t a,
                                std::int64_t b) {
    require(a >= least && b >= least && a <= kMostExtent && b <= kMostExtent, at + "/" + key,
            "{} x {}, expected {} to {}", a, b, least, kMostExtent);
  };
  require_pair("kernel", 1, w.kernel_h, w.kernel_w);
  require_pair("stride", 1, w.stride_h, w.stride_w);
  require_pair("dilation", 1, w.dilation_h, w.dilation_w);
  require_pair("pad", 0, w.pad_top, w.pad_bottom);
  require_pair("pad", 0, w.pad_left, w.pad_right);
  const std::int64_t height = w.in_h + w.pad_top + w.pad_bottom;
  const std::int64_t width = w.in_w + w.pad_left + w.pad_right;
  require(w.extent_h() <= height && w.extent_w() <= width, at + "/kernel",
          "{} x {} with its dilation, expected at most the padded input {} x {}", w.extent_h(),
          w.extent_w(), height, width);
  require(out.height == w.out_h() && out.width == w.out_w() && out.channels == w.out_c, at + "/out",
          "\"{}\" has the shape {}, expected {}", out.name, shape_text(out),
          shape_text(w.out_h(), w.out_w(), w.out_c));
}

void require_weights(const Op& op, const std::string& at) {
  const ContractionShape& w = op.window;
  require(w.groups >= 1 && w.in_c % w.groups == 0 && w.out_c % w.groups == 0, at + "/groups",
          "{}, expected a divisor of {} channels in and {} out", w.groups, w.in_c, w.out_c);
  const bool is_complete = w.fan_in() <= kMostElements / w.out_c &&
                           op.weights.size() == static_cast<std::size_t>(w.w_size());
  require(is_complete, at + "/weights", "{} weights, expected {} for each of {} channels",
          op.weights.size(), w.fan_in(), w.out_c);
  require_type(op.weight_type, 32, at + "/weight_type");
  const Interval held = op.weight_type.values();
  const auto bad = std::find_if(op.weights.begin(), op.weights.end(), [&](std::int64_t weight) {
    return weight < held.lo || weight > held.hi;
  });
  require(bad == op.weights.end(), at + "/weights", "{} at {}, expected {} to {} ({})",
          bad == op.weights.end() ? 0 : *bad, bad - op.weights.begin(), held.lo, held.hi,
          op.weight_type.text());
  require(op.sum.bits >= 2 && op.sum.bits <= 62, at + "/accumulator/bits", "{}, expected 2 to 62",
          op.sum.bits);
}

void require_conv(const Op& op, const Tensor& in, const Tensor& out, const std::string& at) {
  require_window(op.window, in, out, at);
  require_weights(op, at);
  const auto [lo, hi] = in.type.values();
  require(!op.window.pads() || (op.pad >= lo && op.pad <= hi), at + "/pad_code",
          "{}, expected a code of \"{}\": {} to {}", op.pad, in.name, lo, hi);
}

void require_dense(const Op& op, const Tensor& in, const Tensor& out, const std::string& at) {
  Tensor flat = in;
  flat.height = flat.width = 1;
  flat.channels = in.size();
  require_window(op.window, flat, out, at);
  require(!op.window.pads(), at + "/pad", "a dense layer with padding, expected none");
  require(op.window.groups == 1, at + "/groups", "{} in a dense layer, expected 1",
          op.window.groups);
  require(op.pad == 0, at + "/pad_code", "{} in a dense layer, expected 0", op.pad);
  require_weights(op, at);
}

/// Each of the `out` windows along one axis holds an element of the input.
bool see_input(std::int64_t in, std::int64_t out, std::int64_t pad, std::int64_t kernel,
               std::int64_t stride, std::int64_t dilation) {
  for (std::int64_t i = 0; i < out; ++i) {
    const std::int64_t start = i * stride - pad;
    const std::int64_t first = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    if (first >= kernel || start + first * dilation >= in) return false;
  }
  return true;
}

void require_pool(const Op& op, const Tensor& in, const Tensor& out, const std::string& at) {
  const ContractionShape& w = op.window;
  require_window(w, in, out, at);
  require(w.groups == w.in_c && w.out_c == w.in_c, at + "/groups",
          "{} with {} channels out, expected as many as there are channels: {}", w.groups, w.out_c,
          w.in_c);
  if (op.kind == Kind::kSumPool) {
    require(!w.pads(), at + "/pad", "a sum_pool with padding, expected none");
    return;
  }
  const bool sees = see_input(w.in_h, w.out_h(), w.pad_top, w.kernel_h, w.stride_h, w.dilation_h) &&
                    see_input(w.in_w, w.out_w(), w.pad_left, w.kernel_w, w.stride_w, w.dilation_w);
  require(sees, at + "/pad", "a window of padding alone, expected an element in each window");
}

void require_chain(const Chain& chain, const Tensor& tensor, const std::string& at) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string fault =
        steps::fault_of(chain[i], static_cast<std::uint64_t>(tensor.channels));
    require(fault.empty(), fmt::format("{}/{}", at, i), "{}", fault);
  }
}

void require_same_shape(const Tensor& in, const Tensor& out, const std::string& at) {
  require(in.height == out.height && in.width == out.width && in.channels == out.channels,
          at + "/out", "\"{}\" has the shape {}, expected that of \"{}\": {}", out.name,
          shape_text(out), in.name, shape_text(in));
}

void require_join(const Program& program, const Op& op, const std::string& at) {
  const Tensor& out = program.tensor(op.output);
  require(op.input_steps.size() == op.inputs.size(), at + "/input_steps",
          "{} lists of steps, expected one for each input: {}", op.input_steps.size(),
          op.inputs.size());
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    require_same_shape(program.tensor(op.inputs[i]), out, at);
    require_chain(op.input_steps[i], out, fmt::format("{}/input_steps/{}", at, i));
  }
  require_chain(op.steps, out, at + "/steps");
}

void require_concat(const Program& program, const Op& op, const std::string& at) {
  const Tensor& out = program.tensor(op.output);
  std::int64_t channels = 0;
  for (const int input : op.inputs) {
    const Tensor& in = program.tensor(input);
    channels += in.channels;
    require(in.height == out.height && in.width == out.width, at + "/in",
            "\"{}\" has the shape {}, expected height and width {} x {}", in.name, shape_text(in),
            out.height, out.width);
  }
  require(channels == out.channels, at + "/out", "\"{}\" has {} channels, expected {}", out.name,
          out.channels, channels);
}

/// Of the kinds with one input.
void require_single(const Program& program, const Op& op, const std::string& at) {
  const Tensor& in = program.tensor(op.inputs[0]);
  const Tensor& out = program.tensor(op.output);
  switch (op.kind) {
    case Kind::kConv:
      return require_conv(op, in, out, at);
    case Kind::kDense:
      return require_dense(op, in, out, at);
    case Kind::kSumPool:
    case Kind::kMaxPool:
      return require_pool(op, in, out, at);
    case Kind::kMap:
      require_same_shape(in, out, at);
      return require_chain(op.steps, out, at + "/steps");
    case Kind::kArgmax:
      return require(out.size() == 1, at + "/out", "\"{}\" has the shape {}, expected 1 x 1 x 1",
                     out.name, shape_text(out));
    case Kind::kReshape:
      return require(in.size() == out.size(), at + "/out",
                     "\"{}\" has {} elements, expected those of \"{}\": {}", out.name, out.size(),
                     in.name, in.size());
    case Kind::kJoin:
    case Kind::kConcat:
      return;
  }
}

/// What another kind has must not be there: a reader would take it for something that is done.
void require_parts(const Op& op, const std::string& at) {
  const Traits traits = traits_of(op.kind);
  const char* kind = name_of(op.kind);
  require(traits.has_window || op.window == ContractionShape{}, at,
          "a window in an operation {}, expected none", kind);
  require(traits.has_weights || op.weights.empty(), at + "/weights", "weights in {}, expected none",
          kind);
  const bool has_sum = op.sum != Register{} || op.weight_type != Type{} || op.pad != 0;
  require(traits.has_weights || !has_sum, at,
          "an accumulator, a weight type or a pad code in {}, expected none", kind);
  require(traits.has_steps || op.steps.empty(), at + "/steps", "steps in {}, expected none", kind);
  require(traits.has_input_steps || op.input_steps.empty(), at + "/input_steps",
          "steps of inputs in {}, expected none", kind);
}

void require_kept_type(const Program& program, const Op& op, const std::string& at) {
  const Tensor& out = program.tensor(op.output);
  for (const int input : op.inputs) {
    const Tensor& in = program.tensor(input);
    require(in.type == out.type && in.zero_point == out.zero_point, at + "/out",
            "\"{}\" is {} with zero point {}, expected that of \"{}\": {}, {}", out.name,
            out.type.text(), out.zero_point, in.name, in.type.text(), in.zero_point);
  }
}

void require_op(const Program& program, const Op& op, const std::string& at) {
  const bool takes_several = op.kind == Kind::kJoin || op.kind == Kind::kConcat;
  require(takes_several ? !op.inputs.empty() : op.inputs.size() == 1, at + "/in",
          "{} inputs, expected {}", op.inputs.size(), takes_several ? "one or more" : "1");
  require_parts(op, at);
  if (traits_of(op.kind).keeps_type) require_kept_type(program, op, at);
  if (op.kind == Kind::kJoin) return require_join(program, op, at);
  if (op.kind == Kind::kConcat) return require_concat(program, op, at);
  require_single(program, op, at);
}

void require_index(const Program& program, int index, const std::string& at) {
  require(index >= 0 && static_cast<std::size_t>(index) < program.tensors.size(), at,
          "tensor {}, expected one of {} tensors", index, program.tensors.size());
}

/// Operations in an order in which each reads what is there, and each tensor written once.
void require_order(const Program& program) {
  std::vector<bool> is_written(program.tensors.size());
  require_index(program, program.input, "/input");
  is_written[static_cast<std::size_t>(program.input)] = true;
  for (const Op& op : program.ops) {
    const std::string at = pointer_of(program, op);
    for (const int input : op.inputs) {
      require_index(program, input, at + "/in");
      require(is_written[static_cast<std::size_t>(input)], at + "/in",
              "\"{}\" is not there yet, expected the input or what an earlier operation writes",
              program.tensor(input).name);
    }
    require_index(program, op.output, at + "/out");
    const auto output = static_cast<std::size_t>(op.output);
    require(!is_written[output], at + "/out", "\"{}\" is written already, expected another tensor",
            program.tensor(op.output).name);
    is_written[output] = true;
  }
  for (std::size_t i = 0; i < is_written.size(); ++i) {
    require(is_written[i], fmt::format("/tensors/{}", i),
            "no operation writes \"{}\", expected one", program.tensors[i].name);
  }
}

void require_outputs(const Program& program) {
  require(!program.outputs.empty(), "/outputs", "none, expected a tensor");
  std::set<int> seen;
  for (std::size_t i = 0; i < program.outputs.size(); ++i) {
    const std::string at = fmt::format("/outputs/{}", i);
    require_index(program, program.outputs[i], at);
    require(seen.insert(program.outputs[i]).second, at, "\"{}\" stands twice",
            program.tensor(program.outputs[i]).name);
  }
}

}  // namespace

Traits traits_of(Kind kind) {
  switch (kind) {
    case Kind::kConv:
    case Kind::kDense:
      return {.has_window = true, .has_weights = true};
    case Kind::kMap:
      return {.has_steps = true};
    case Kind::kJoin:
      return {.has_steps = true, .has_input_steps = true};
    case Kind::kSumPool:
      return {.has_window = true};
    case Kind::kMaxPool:
      return {.has_window = true, .keeps_type = true};
    case Kind::kConcat:
    case Kind::kReshape:
      return {.keeps_type = true};
    case Kind::kArgmax:
      return {};
  }
  return {};
}

std::string pointer_of(const Program& program, const Op& op) {
  return fmt::format("/ops/{}", &op - program.ops.data());
}

void require_structure(const Program& program) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < program.tensors.size(); ++i) {
    const std::string at = fmt::format("/tensors/{}", i);
    require_name(program.tensors[i].name, names, at);
    require_tensor(program.tensors[i], at);
  }
  names.clear();
  for (const Op& op : program.ops) require_name(op.name, names, pointer_of(program, op));
  require_order(program);
  for (const Op& op : program.ops) require_op(program, op, pointer_of(program, op));
  require_outputs(program);
}

}  // namespace qloom::program
