// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

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
  [[nodiscard]] const ConstantsWriter& constants() const { return constants_; }

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
    if (traits.has_window && op.kind != Kind::kDense) {
      add_window(op.window, text);
      text["dilation"] = {op.window.dilation_h, op.window.dilation_w};
    }
    if (op.kind == Kind::kConv) {
      text["groups"] = op.window.groups;
      text["pad_code"] = op.pad;
    }
    if (traits.has_weights) add_products(op, text);
    if (traits.has_steps) text["steps"] = to_json(op.steps, op.name + ".steps", constants_);
    if (!traits.has_input_steps) return text;
    text["input_steps"] = Json::array();
    for (std::size_t i = 0; i < op.input_steps.size(); ++i) {
      text["input_steps"].push_back(
          to_json(op.input_steps[i], fmt::format("{}.input_steps.{}", op.name, i), constants_));
    }
    return text;
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

  const Program& program_;
  ConstantsWriter constants_;
};

}  // namespace

void write(const Program& program, const std::filesystem::path& folder) {
  Writer writer(program);
  const Json document = writer.document();
  write_document(document, writer.constants(), kProgramForm, folder);
}

}  // namespace qloom::program
