// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/program/document.hpp"
#include "host/step_program/files.hpp"

namespace qloom::step_program {
namespace {

using json::Json;

/// What json and npz get of a step program, in its order.
class StepWriter {
 public:
  explicit StepWriter(const Program& program) : program_(program) {}

  Json document() {
    Json tensors = Json::array(), parameters = Json::array();
    for (const Tensor& tensor : program_.tensors) tensors.push_back(tensor_json(tensor));
    for (const Parameter& parameter : program_.parameters) {
      const Tensor& weights = program_.tensor(parameter.tensor);
      const std::string array = weights.name + ".initial";
      arrays_.add(array, weights.shape, parameter.initial);
      parameters.push_back(
          {{"tensor", weights.name}, {"next", name(parameter.next)}, {"initial", array}});
    }
    Json text = {{"format", kStepFormat},
                 {"name", program_.name},
                 {"made_from", {{"configuration", program_.configuration}}},
                 {"batch", program_.batch},
                 {"seed", fmt::format("{:016x}", program_.seed)},
                 {"images", name(program_.images)},
                 {"logits", name(program_.logits)},
                 {"tensors", tensors},
                 {"parameters", parameters}};
    for (const Section section : {Section::kForward, Section::kBackward, Section::kUpdate}) {
      Json& ops = text[name_of(section)] = Json::array();
      for (const Op& op : program_.ops) {
        if (op.section == section) ops.push_back(op_json(op));
      }
    }
    return text;
  }
  [[nodiscard]] const program::ConstantsWriter& arrays() const { return arrays_; }

 private:
  [[nodiscard]] const std::string& name(int tensor) const { return program_.tensor(tensor).name; }

  static Json tensor_json(const Tensor& tensor) {
    Json text = {{"name", tensor.name},
                 {"each", name_of(tensor.each)},
                 {"shape", tensor.shape},
                 {"type", tensor.type.text()}};
    if (tensor.exponent) text["exponent"] = *tensor.exponent;
    return text;
  }

  Json op_json(const Op& op) {
    Json text = {{"name", op.name}, {"op", name_of(op.kind)}, {"out", name(op.output)}};
    for (const int input : op.inputs) text["in"].push_back(name(input));
    const Traits traits = traits_of(op.kind);
    if (traits.has_window) {
      const ContractionShape& w = op.window;
      program::add_window(w, text);
      if (traits.is_product) text["dilation"] = {w.dilation_h, w.dilation_w};
      if (traits.is_product) text["groups"] = w.groups;
    }
    add_numbers(op, text);
    return text;
  }

  void add_numbers(const Op& op, Json& text) {
    const bool is_normalise = op.kind == Kind::kNormalise;
    if (op.kind == Kind::kMap) {
      text["steps"] = program::to_json(op.steps, op.name + ".steps", arrays_);
    }
    if (op.kind == Kind::kSubtractLabel) text["one"] = op.one;
    if (op.kind == Kind::kSignificant || is_normalise) text["bits"] = op.bits;
    if (is_normalise) text["rounding"] = steps::name_of(op.rounding);
    if (op.kind == Kind::kUpdate || is_normalise) {
      text["low"] = op.low;
      text["high"] = op.high;
    }
    if (op.kind != Kind::kStochastic) return;
    text["stream"] = fmt::format("{:016x}", op.stream);
    text["random_bits"] = op.random_bits;
    if (op.lfsr) {
      text["lfsr"] = {{"state", op.lfsr->state}, {"start", name_of(op.lfsr->start)}};
    }
    for (const Rate& rate : op.rates) {
      text["rates"].push_back({{"step", rate.step}, {"shift", rate.shift}});
    }
  }

  const Program& program_;
  program::ConstantsWriter arrays_;
};

}  // namespace

void write(const Program& program, const std::filesystem::path& folder) {
  StepWriter writer(program);
  const Json document = writer.document();
  program::write_document(document, writer.arrays(), kStepForm, folder);
}

}  // namespace qloom::step_program
