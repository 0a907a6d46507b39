// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/program/constants.hpp"
#include "host/program/document.hpp"
#include "host/program/files.hpp"
#include "host/program/kinds.hpp"

namespace qloom::program {
namespace {

using json::Json;

/// What json and npz get of a program, in its order.
class Writer {
 public:
  explicit Writer(const Program& program) : program_(program) {}

  Json document() {
    Json tensors = Json::array(), ops = Json::array(), outputs = Json::array();
    for (const Tensor& tensor : program_.tensors) tensors.push_back(tensor_json(tensor));
    for (const Op& op : program_.ops) ops.push_back(op_json(op));
    for (const int output : program_.outputs) outputs.push_back(name(output));
    return {{"format", kFormat},
            {"name", program_.origin.name},
            {"made_from",
             {{"configuration", program_.origin.configuration},
              {"checkpoint", program_.origin.checkpoint}}},
            {"is_integer", float_operations(program_).empty()},
            {"input", name(program_.input)},
            {"outputs", outputs},
            {"tensors", tensors},
            {"ops", ops}};
  }
  [[nodiscard]] data::Bytes constants() const { return constants_.bytes(); }

 private:
  [[nodiscard]] const std::string& name(int tensor) const { return program_.tensor(tensor).name; }

  Json tensor_json(const Tensor& tensor) {
    Json text = {{"name", tensor.name},
                 {"shape", {tensor.height, tensor.width, tensor.channels}},
                 {"type", tensor.type.text()},
                 {"zero_point", tensor.zero_point}};
    if (tensor.scale.size() == 1) text["scale"] = tensor.scale[0];
    if (tensor.scale.size() > 1) {
      text["scale"] = tensor.name + ".scale";
      constants_.add(text["scale"], {tensor.channels}, tensor.scale);
    }
    return text;
  }

  Json op_json(const Op& op) {
    Json text = {{"name", op.name}, {"op", name_of(op.kind)}, {"out", name(op.output)}};
    for (const int input : op.inputs) text["in"].push_back(name(input));
    const Traits traits = traits_of(op.kind);
    if (traits.has_window && op.kind != Kind::kDense) add_window(op, text);
    if (op.kind == Kind::kConv) {
      text["groups"] = op.window.groups;
      text["pad_code"] = op.pad;
    }
    if (traits.has_weights) add_products(op, text);
    if (traits.has_steps) text["steps"] = chain_json(op.steps, op.name + ".steps");
    if (!traits.has_input_steps) return text;
    text["input_steps"] = Json::array();
    for (std::size_t i = 0; i < op.input_steps.size(); ++i) {
      text["input_steps"].push_back(
          chain_json(op.input_steps[i], fmt::format("{}.input_steps.{}", op.name, i)));
    }
    return text;
  }

  static void add_window(const Op& op, Json& text) {
    const ContractionShape& w = op.window;
    text["kernel"] = {w.kernel_h, w.kernel_w};
    text["stride"] = {w.stride_h, w.stride_w};
    text["dilation"] = {w.dilation_h, w.dilation_w};
    text["pad"] = {w.pad_top, w.pad_bottom, w.pad_left, w.pad_right};
  }

  void add_products(const Op& op, Json& text) {
    const ContractionShape& w = op.window;
    const std::string array = op.name + ".weights";
    const Shape shape = op.kind == Kind::kDense
                            ? Shape{w.out_c, w.in_c}
                            : Shape{w.out_c, w.kernel_h, w.kernel_w, w.in_c / w.groups};
    constants_.add(array, shape, std::vector<std::int64_t>(op.weights.begin(), op.weights.end()));
    text["weights"] = array;
    text["weight_type"] = op.weight_type.text();
    text["accumulator"] = {
        {"bits", op.sum.bits}, {"overflow", name_of(op.sum.overflow)}, {"needed", op.sum.needed}};
  }

  Json chain_json(const Chain& chain, const std::string& array) {
    Json text = Json::array();
    for (std::size_t i = 0; i < chain.size(); ++i) {
      text.push_back(step_json(chain[i], fmt::format("{}.{}", array, i)));
    }
    return text;
  }

  /// One constant for all channels stands in the text, several are an array.
  Json step_json(const steps::Step& step, const std::string& array) {
    Json text = {{"do", name_of(step.op)}};
    if (step.op == steps::Op::kShiftRight) text["rounding"] = name_of(step.rounding);
    const auto groups = static_cast<std::int64_t>(step.groups());
    const bool is_list = step.op == steps::Op::kCount || step.op == steps::Op::kTable;
    if (step.op == steps::Op::kFloatScale) {
      text["constants"] = array;
      constants_.add(array, {groups, 1}, step.factors);
    } else if (is_list || step.groups() > 1) {
      text["constants"] = array;
      constants_.add(array, {groups, static_cast<std::int64_t>(step.per_channel)}, step.constants);
    } else if (step.op == steps::Op::kClamp) {
      text["low"] = step.constants[0];
      text["high"] = step.constants[1];
    } else {
      text["value"] = step.constants[0];
    }
    return text;
  }

  const Program& program_;
  ConstantsWriter constants_;
};

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

void write(const Program& program, const std::filesystem::path& folder) {
  Writer writer(program);
  Json document = writer.document();
  const data::Bytes constants = writer.constants();
  document["constants"] = to_json(hash_of(constants));
  document["digest"] = digest_of(document);
  const std::string text = document.dump(2) + "\n";
  data::require_writable_folder(folder);
  data::StagedFile staged_constants(folder / kConstantsFile, constants);
  data::StagedFile staged_text(folder / kProgramFile, bytes_of(text));
  staged_constants.commit();
  staged_text.commit();
}

}  // namespace qloom::program
