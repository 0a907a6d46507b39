// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/calls/calls.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "host/exchange/c/fusion.hpp"
#include "host/exchange/c/types.hpp"

namespace qloom::exchange::c {
namespace {

using program::Kind;
using program::Op;
using program::Program;

std::string constant(const char* prefix, const std::string& name) {
  std::string text = prefix;
  for (const char c : name) {
    text += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

/// Bits of the signed type of an array, 8, 16, 32 or 64.
int signed_bits(const std::vector<std::int64_t>& values) {
  const Interval range = range_of(values);
  return stored(Interval{std::min<std::int64_t>(range.lo, -1), range.hi}).bits;
}

/// "static const int8_t <name>[<size>] = {...};"
std::string signed_array(const std::string& name, const std::vector<std::int64_t>& values) {
  const std::string text = array(name, values);  // whose type may have no sign
  const CType type = stored(range_of(values));
  const CType wanted{true, signed_bits(values)};
  return text.substr(0, 13) + wanted.text() + text.substr(13 + type.text().size());
}

/// Collects what one operation is told.
class Data {
 public:
  explicit Data(std::string name) : name_(std::move(name)) {}

  /// The initializer of a struct model_steps; arrays and steps stand before.
  std::string steps(const steps::Chain& chain, const std::string& part) {
    if (chain.empty()) return "{0, 0}";
    std::string list;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const steps::Step& step = chain[i];
      const std::string constants = fmt::format("{}{}_{}", name_, part, i);
      text_ += signed_array(constants, step.constants);
      list += fmt::format(
          "  {{{}, {}, {}, {}, {}, {}}},\n", constant("MODEL_", steps::name_of(step.op)),
          constant("MODEL_", steps::name_of(step.rounding)), signed_bits(step.constants),
          step.groups() == 1 ? 0 : 1, step.per_channel, constants);
    }
    const std::string all = fmt::format("{}{}_steps", name_, part);
    text_ +=
        fmt::format("static const struct model_step {}[{}] = {{\n{}}};\n", all, chain.size(), list);
    return fmt::format("{{{}, {}}}", all, chain.size());
  }
  std::string weights(const Op& op) {
    const std::vector<std::int64_t> values(op.weights.begin(), op.weights.end());
    text_ += signed_array(name_ + "_weights", values);
    return fmt::format("{}_weights, {}", name_, signed_bits(values));
  }
  void put(const std::string& text) { text_ += text; }
  /// The record that the function gets.
  std::string finish(const char* type, const std::string& fields) {
    return text_ + fmt::format("static const struct {} {} = {{{}}};\n\n", type, name_, fields);
  }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_, text_;
};

std::string window_of(const program::ContractionShape& s) {
  return fmt::format("{{{}, {}, {}, {}, {}, {}, {}, {}}}", s.kernel_h, s.kernel_w, s.stride_h,
                     s.stride_w, s.dilation_h, s.dilation_w, s.pad_top, s.pad_left);
}

const char* overflow_of(program::Overflow overflow) {
  switch (overflow) {
    case program::Overflow::kNever:
      return "MODEL_NEVER";
    case program::Overflow::kWrap:
      return "MODEL_WRAPS";
    case program::Overflow::kSaturate:
      return "MODEL_SATURATES";
  }
  return "";
}

std::string name_of_layer(const Program& program, int op) {
  return fmt::format("layer{}_{}", op, identifier(program.ops[static_cast<std::size_t>(op)].name));
}

/// Its place in the table.
const char* kernel_of(Kind kind) {
  switch (kind) {
    case Kind::kConv:
      return "conv";
    case Kind::kDense:
      return "dense";
    case Kind::kSumPool:
    case Kind::kMaxPool:
      return "pool";
    case Kind::kMap:
      return "map";
    case Kind::kJoin:
    case Kind::kConcat:
      return "join";
    case Kind::kArgmax:
    case Kind::kReshape:
      break;
  }
  return "";
}

/// Steps of the map that the operation does too.
steps::Chain steps_behind(const Program& program, int op) {
  const Op* map = fused_map(program, op);
  return map == nullptr ? steps::Chain() : map->steps;
}

std::string join_data(const Op& op, Data data) {
  if (op.kind == Kind::kConcat) return data.finish("model_join", "0, {0, 0}");
  std::string inputs;
  for (std::size_t i = 0; i < op.input_steps.size(); ++i) {
    inputs += fmt::format("  {},\n", data.steps(op.input_steps[i], fmt::format("_in{}", i)));
  }
  const std::string behind = data.steps(op.steps, "");
  data.put(fmt::format("static const struct model_steps {}_inputs[{}] = {{\n{}}};\n", data.name(),
                       op.input_steps.size(), inputs));
  return data.finish("model_join", fmt::format("{}_inputs, {}", data.name(), behind));
}

/// The fields of a struct model_tensor around its memory.
std::string tensor_data(const Program& program, int tensor, const std::string& pointer) {
  const program::Tensor& t = program.tensor(tensor);
  const CType type = stored(t);
  return fmt::format("(void *){}, {}, {}, {}, {}, {}, {}", pointer, t.height, t.width, t.channels,
                     type.bits, type.is_signed ? 1 : 0, literal(t.zero_point));
}

}  // namespace

bool is_called(const Program& program, int op) {
  const Kind kind = program.ops[static_cast<std::size_t>(op)].kind;
  return kind != Kind::kArgmax && kind != Kind::kReshape && !is_fused(program, op);
}

std::string layer_data(const Program& program, int index) {
  if (!is_called(program, index)) return {};
  const Op& op = program.ops[static_cast<std::size_t>(index)];
  Data data(name_of_layer(program, index));
  switch (op.kind) {
    case Kind::kConv:
    case Kind::kDense: {
      const std::string weights = data.weights(op);
      const std::string behind = data.steps(steps_behind(program, index), "");
      return data.finish(
          "model_products",
          fmt::format("{}, {}, {}, {}, {}, {}, {}", window_of(op.window), op.window.groups,
                      literal(op.pad), weights, op.sum.bits, overflow_of(op.sum.overflow), behind));
    }
    case Kind::kSumPool:
    case Kind::kMaxPool: {
      const std::string behind = data.steps(steps_behind(program, index), "");
      return data.finish("model_pool", fmt::format("{}, {}, {}", window_of(op.window),
                                                   op.kind == Kind::kSumPool ? 1 : 0, behind));
    }
    case Kind::kMap: {
      const std::string all = data.steps(op.steps, "");
      return data.finish("model_steps", all.substr(1, all.size() - 2));
    }
    case Kind::kJoin:
    case Kind::kConcat:
      return join_data(op, std::move(data));
    case Kind::kArgmax:
    case Kind::kReshape:
      break;
  }
  return {};
}

std::vector<std::string> kernel_call(const Program& program, int index,
                                     const std::function<std::string(int)>& pointer) {
  const Op& op = program.ops[static_cast<std::size_t>(index)];
  const Op* map = fused_map(program, index);
  const int output = map == nullptr ? op.output : map->output;
  std::string inputs;
  for (const int input : op.inputs) {
    inputs += fmt::format("{}{{{}}}", inputs.empty() ? "" : ", ",
                          tensor_data(program, input, pointer(input)));
  }
  std::vector<std::string> lines{fmt::format("const struct model_tensor x[] = {{{}}};", inputs),
                                 fmt::format("const struct model_tensor y = {{{}}};",
                                             tensor_data(program, output, pointer(output)))};
  const std::string layer = name_of_layer(program, index);
  const char* const kernel = kernel_of(op.kind);
  if (op.kind == Kind::kMap) {
    lines.push_back(fmt::format("kernels->{}(&{}, x, &y);", kernel, layer));
  } else if (op.kind == Kind::kJoin || op.kind == Kind::kConcat) {
    lines.push_back(fmt::format("kernels->{}(&{}, x, {}, &y);", kernel, layer, op.inputs.size()));
  } else {
    if (map != nullptr) {
      lines.push_back(
          fmt::format("SUMS({});", tensor_data(program, op.output, pointer(op.output))));
    }
    lines.push_back(
        fmt::format("kernels->{}(&{}, x, {}, &y);", kernel, layer, map == nullptr ? "0" : "sums"));
  }
  return lines;
}

std::string table_text() {
  return R"(static const struct model_kernels *kernels = &model_reference;

void model_use(const struct model_kernels *others) { kernels = others; }

)";
}

}  // namespace qloom::exchange::c
