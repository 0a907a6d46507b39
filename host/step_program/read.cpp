// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/program/document.hpp"
#include "host/step_program/files.hpp"
#include "host/step_program/tensors.hpp"

namespace qloom::step_program {
namespace {

using json::Json;

/// Of text that the schema accepts.
class StepReader {
 public:
  explicit StepReader(program::DocumentReader& document)
      : document_(document), text_(document.text()) {}

  Program read() {
    program_.name = text_["name"];
    program_.configuration = text_["made_from"]["configuration"];
    program_.batch = document_.number(text_["batch"], "/batch");
    program_.seed = word(text_["seed"]);
    for (const Json& tensor : text_["tensors"]) read_tensor(tensor);
    program_.images = document_.tensor(text_["images"], "/images");
    program_.logits = document_.tensor(text_["logits"], "/logits");
    for (const Json& parameter : text_["parameters"]) read_parameter(parameter);
    for (const Section section : {Section::kForward, Section::kBackward, Section::kUpdate}) {
      const Json& ops = text_[name_of(section)];
      for (std::size_t i = 0; i < ops.size(); ++i) {
        read_op(ops[i], section, fmt::format("/{}/{}", name_of(section), i));
      }
    }
    return std::move(program_);
  }

 private:
  /// 16 hexadecimal digits: 64 bits without a sign.
  static std::uint64_t word(const Json& value) {
    return std::stoull(value.get<std::string>(), nullptr, 16);
  }

  void read_tensor(const Json& text) {
    Tensor tensor;
    tensor.name = text["name"];
    static_cast<void>(find(text["each"].get<std::string>(), tensor.each));  // the schema knows them
    tensor.shape = text["shape"].get<Shape>();
    tensor.type = program::DocumentReader::type(text["type"]);
    if (text.contains("exponent")) tensor.exponent = text["exponent"].get<int>();
    document_.add_tensor(tensor.name);
    program_.tensors.push_back(std::move(tensor));
  }

  void read_parameter(const Json& text) {
    const std::string at = fmt::format("/parameters/{}", program_.parameters.size());
    Parameter parameter;
    parameter.tensor = document_.tensor(text["tensor"], at + "/tensor");
    parameter.next = document_.tensor(text["next"], at + "/next");
    parameter.initial = document_.arrays().integers(
        text["initial"], program_.tensor(parameter.tensor).shape, document_.place(at + "/initial"));
    program_.parameters.push_back(std::move(parameter));
  }

  void read_op(const Json& text, Section section, const std::string& at) {
    Op op;
    op.section = section;
    op.name = text["name"];
    static_cast<void>(find(text["op"].get<std::string>(), op.kind));
    op.inputs = document_.tensors_in(text, at);
    op.output = document_.tensor(text["out"], at + "/out");
    const Traits traits = traits_of(op.kind);
    if (op.inputs.size() != traits.inputs) {
      document_.refuse(at + "/in",
                       fmt::format("{} tensors, expected {}", op.inputs.size(), traits.inputs));
    }
    if (traits.has_window) program::DocumentReader::read_window(text, op.window);
    if (text.contains("groups")) op.window.groups = text["groups"];
    if (traits.has_window || traits.is_product) complete_window(program_, op);
    read_numbers(text, at, op);
    program_.ops.push_back(std::move(op));
  }

  void read_numbers(const Json& text, const std::string& at, Op& op) {
    if (text.contains("steps")) op.steps = document_.chain(text["steps"], at + "/steps");
    if (text.contains("one")) op.one = document_.number(text["one"], at + "/one");
    if (text.contains("bits")) op.bits = text["bits"];
    if (text.contains("low")) op.low = document_.number(text["low"], at + "/low");
    if (text.contains("high")) op.high = document_.number(text["high"], at + "/high");
    if (text.contains("stream")) op.stream = word(text["stream"]);
    if (text.contains("random_bits")) op.random_bits = text["random_bits"];
    if (text.contains("lfsr")) {
      Lfsr& lfsr = op.lfsr.emplace();
      lfsr.state = text["lfsr"]["state"];
      static_cast<void>(find(text["lfsr"]["start"].get<std::string>(), lfsr.start));
    }
    if (text.contains("rounding")) {
      static_cast<void>(steps::find(text["rounding"].get<std::string>(), op.rounding));
    }
    if (!text.contains("rates")) return;
    for (const Json& rate : text["rates"]) {
      op.rates.push_back({rate["step"].get<std::uint64_t>(), rate["shift"].get<int>()});
    }
  }

  program::DocumentReader& document_;
  const Json& text_;
  Program program_;
};

}  // namespace

Program read(const std::filesystem::path& folder) {
  program::DocumentReader document(folder, kStepForm);
  Program program = StepReader(document).read();
  document.require_sound(fault_of(program));
  return program;
}

}  // namespace qloom::step_program
