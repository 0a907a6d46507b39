// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/program/document.hpp"
#include "host/program/files.hpp"
#include "host/program/kinds.hpp"

namespace qloom::program {
namespace {

using json::Json;

/// Of text that the schema accepts.
class ProgramReader {
 public:
  explicit ProgramReader(DocumentReader& document) : document_(document), text_(document.text()) {}

  Program read() {
    program_.origin = {.name = text_["name"],
                       .configuration = text_["made_from"]["configuration"],
                       .checkpoint = text_["made_from"]["checkpoint"]};
    for (const Json& tensor : text_["tensors"]) {
      read_tensor(tensor, fmt::format("/tensors/{}", program_.tensors.size()));
      document_.add_tensor(program_.tensors.back().name);
    }
    program_.input = document_.tensor(text_["input"], "/input");
    for (const Json& op : text_["ops"]) read_op(op, fmt::format("/ops/{}", program_.ops.size()));
    for (const Json& output : text_["outputs"]) {
      const std::string at = fmt::format("/outputs/{}", program_.outputs.size());
      program_.outputs.push_back(document_.tensor(output, at));
    }
    if (text_["is_integer"].get<bool>() != float_operations(program_).empty()) {
      document_.refuse("/is_integer",
                       fmt::format("{}, but {}", text_["is_integer"].dump(), steps_text()));
    }
    return std::move(program_);
  }

 private:
  /// What speaks against "is_integer".
  [[nodiscard]] std::string steps_text() const {
    const std::vector<std::string> floats = float_operations(program_);
    if (floats.empty()) return "no operation has a step float_scale";
    return fmt::format("\"{}\" has a step float_scale", floats.front());
  }

  void read_tensor(const Json& text, const std::string& at) {
    Tensor tensor;
    tensor.name = text["name"];
    tensor.height = text["shape"][0];
    tensor.width = text["shape"][1];
    tensor.channels = text["shape"][2];
    tensor.type = DocumentReader::type(text["type"]);
    tensor.zero_point = document_.number(text["zero_point"], at + "/zero_point");
    if (text.contains("scale")) {
      const Json& scale = text["scale"];
      tensor.scale = scale.is_number()
                         ? std::vector<double>{scale.get<double>()}
                         : document_.arrays().reals(scale, document_.place(at + "/scale"));
    }
    program_.tensors.push_back(std::move(tensor));
  }

  void read_op(const Json& text, const std::string& at) {
    Op op;
    op.name = text["name"];
    static_cast<void>(find(text["op"].get<std::string>(), op.kind));  // the schema knows them all
    op.inputs = document_.tensors_in(text, at);
    op.output = document_.tensor(text["out"], at + "/out");
    const Traits traits = traits_of(op.kind);
    if (traits.has_window && op.kind != Kind::kDense)
      read_window(text, program_.tensor(op.inputs[0]), op.window);
    if (op.kind == Kind::kConv) {
      op.window.groups = text["groups"];
      op.pad = document_.number(text["pad_code"], at + "/pad_code");
    }
    if (traits.has_weights) read_products(text, at, op);
    if (traits.has_steps) op.steps = document_.chain(text["steps"], at + "/steps");
    if (traits.has_input_steps) {
      for (const Json& chain : text["input_steps"]) {
        const std::string place = fmt::format("{}/input_steps/{}", at, op.input_steps.size());
        op.input_steps.push_back(document_.chain(chain, place));
      }
    }
    program_.ops.push_back(std::move(op));
  }

  static void read_window(const Json& text, const Tensor& in, ContractionShape& w) {
    w.in_h = in.height;
    w.in_w = in.width;
    w.in_c = w.out_c = w.groups = in.channels;  // of a pool
    DocumentReader::read_window(text, w);
  }

  void read_products(const Json& text, const std::string& at, Op& op) {
    ContractionShape& w = op.window;
    w.out_c = program_.tensor(op.output).channels;
    if (op.kind == Kind::kDense) w.in_c = program_.tensor(op.inputs[0]).size();
    const Shape shape = op.kind == Kind::kDense
                            ? Shape{w.out_c, w.in_c}
                            : Shape{w.out_c, w.kernel_h, w.kernel_w, w.in_c / w.groups};
    const auto weights =
        document_.arrays().integers(text["weights"], shape, document_.place(at + "/weights"));
    op.weight_type = DocumentReader::type(text["weight_type"]);
    for (const std::int64_t weight : weights) {
      op.weights.push_back(static_cast<std::int32_t>(weight));
      if (op.weights.back() != weight) {
        document_.refuse(at + "/weights", fmt::format("{}, expected weights of 32 bits", weight));
      }
    }
    const Json& accumulator = text["accumulator"];
    op.sum.bits = accumulator["bits"];
    op.sum.needed = accumulator["needed"];
    static_cast<void>(find(accumulator["overflow"].get<std::string>(), op.sum.overflow));
  }

  DocumentReader& document_;
  const Json& text_;
  Program program_;
};

}  // namespace

Program read(const std::filesystem::path& folder) {
  DocumentReader document(folder, kProgramForm);
  Program program = ProgramReader(document).read();
  document.require_sound(fault_of(program));
  return program;
}

}  // namespace qloom::program
