// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <limits>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/program/constants.hpp"
#include "host/program/document.hpp"
#include "host/registry/registry.hpp"
#include "host/step_program/files.hpp"
#include "host/step_program/tensors.hpp"
#include "host/tensor/error.hpp"

namespace qloom::step_program {
namespace {

using json::Json;

/// Of text that the schema accepts.
class StepReader {
 public:
  /// `where`: "<file>: "
  StepReader(const Json& text, program::ConstantsReader& arrays, std::string where)
      : text_(text), arrays_(arrays), where_(std::move(where)) {}

  Program read() {
    program_.name = text_["name"];
    program_.configuration = text_["made_from"]["configuration"];
    program_.batch = number(text_["batch"], "/batch");
    program_.seed = word(text_["seed"]);
    for (const Json& tensor : text_["tensors"]) read_tensor(tensor);
    program_.images = tensor_named(text_["images"], "/images");
    program_.logits = tensor_named(text_["logits"], "/logits");
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
  [[noreturn]] void refuse(const std::string& at, const std::string& why) const {
    throw InputError(fmt::format("{}{}: {}", where_, at, why));
  }

  /// Any integer of 64 bits.
  [[nodiscard]] std::int64_t number(const Json& value, const std::string& at) const {
    const bool is_large = value.is_number_unsigned() &&
                          value.get<std::uint64_t>() >
                              static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (!value.is_number_integer() || is_large) {
      refuse(at, json::shown(value) + ", expected an integer from -2^63 to 2^63 - 1");
    }
    return value.get<std::int64_t>();
  }

  /// 16 hexadecimal digits: 64 bits without a sign.
  static std::uint64_t word(const Json& value) {
    return std::stoull(value.get<std::string>(), nullptr, 16);
  }

  [[nodiscard]] int tensor_named(const std::string& name, const std::string& at) const {
    const int found = find_tensor(program_, name);
    if (found >= 0) return found;
    std::vector<std::string> names;
    for (const Tensor& tensor : program_.tensors) names.push_back(tensor.name);
    refuse(at, fmt::format("no tensor \"{}\"{}", name, json::nearest_or_known(name, names)));
  }

  void read_tensor(const Json& text) {
    Tensor tensor;
    tensor.name = text["name"];
    static_cast<void>(find(text["each"].get<std::string>(), tensor.each));  // the schema knows them
    tensor.shape = text["shape"].get<Shape>();
    const std::string type = text["type"];
    tensor.type = {.is_signed = type[0] == 's', .bits = std::stoi(type.substr(1))};
    if (text.contains("exponent")) tensor.exponent = text["exponent"].get<int>();
    program_.tensors.push_back(std::move(tensor));
  }

  void read_parameter(const Json& text) {
    const std::string at = fmt::format("/parameters/{}", program_.parameters.size());
    Parameter parameter;
    parameter.tensor = tensor_named(text["tensor"], at + "/tensor");
    parameter.next = tensor_named(text["next"], at + "/next");
    parameter.initial = arrays_.integers(text["initial"], program_.tensor(parameter.tensor).shape,
                                         where_ + at + "/initial");
    program_.parameters.push_back(std::move(parameter));
  }

  void read_op(const Json& text, Section section, const std::string& at) {
    Op op;
    op.section = section;
    op.name = text["name"];
    static_cast<void>(find(text["op"].get<std::string>(), op.kind));
    for (std::size_t i = 0; i < text["in"].size(); ++i) {
      op.inputs.push_back(tensor_named(text["in"][i], fmt::format("{}/in/{}", at, i)));
    }
    op.output = tensor_named(text["out"], at + "/out");
    const Traits traits = traits_of(op.kind);
    if (op.inputs.size() != traits.inputs) {
      refuse(at + "/in", fmt::format("{} tensors, expected {}", op.inputs.size(), traits.inputs));
    }
    if (traits.has_window) read_window(text, op.window);
    if (traits.has_window || traits.is_product) complete_window(program_, op);
    read_numbers(text, at, op);
    program_.ops.push_back(std::move(op));
  }

  static void read_window(const Json& text, ContractionShape& w) {
    w.kernel_h = text["kernel"][0];
    w.kernel_w = text["kernel"][1];
    w.stride_h = text["stride"][0];
    w.stride_w = text["stride"][1];
    w.pad_top = text["pad"][0];
    w.pad_bottom = text["pad"][1];
    w.pad_left = text["pad"][2];
    w.pad_right = text["pad"][3];
    if (!text.contains("dilation")) return;
    w.dilation_h = text["dilation"][0];
    w.dilation_w = text["dilation"][1];
    w.groups = text["groups"];
  }

  void read_numbers(const Json& text, const std::string& at, Op& op) {
    if (text.contains("steps")) {
      for (const Json& step : text["steps"]) {
        op.steps.push_back(read_step(step, fmt::format("{}/steps/{}", at, op.steps.size())));
      }
    }
    if (text.contains("one")) op.one = number(text["one"], at + "/one");
    if (text.contains("bits")) op.bits = text["bits"];
    if (text.contains("low")) op.low = number(text["low"], at + "/low");
    if (text.contains("high")) op.high = number(text["high"], at + "/high");
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

  steps::Step read_step(const Json& text, const std::string& at) {
    steps::Step step;
    static_cast<void>(steps::find(text["do"].get<std::string>(), step.op));
    if (text.contains("rounding")) {
      static_cast<void>(steps::find(text["rounding"].get<std::string>(), step.rounding));
    }
    if (text.contains("constants") == (text.contains("value") || text.contains("low"))) {
      refuse(at, "expected either \"constants\" or the numbers themselves");
    }
    if (text.contains("constants")) {
      const auto found = arrays_.integers_of_rank(2, text["constants"], where_ + at + "/constants");
      step.constants = found.values;
      step.per_channel = static_cast<std::uint64_t>(found.shape[1]);
    } else if (text.contains("low")) {
      step.constants = {number(text["low"], at + "/low"), number(text["high"], at + "/high")};
      step.per_channel = 2;
    } else {
      step.constants = {number(text["value"], at + "/value")};
    }
    return step;
  }

  const Json& text_;
  program::ConstantsReader& arrays_;
  std::string where_;
  Program program_;
};

void require_step_digest(const Json& document, const std::string& where) {
  const std::string found = document["digest"], expected = program::digest_of(document);
  if (found == expected) return;
  throw InputError(
      fmt::format("{}/digest: \"{}\", expected \"{}\": the file is not as it was written", where,
                  found, expected));
}

}  // namespace

Program read(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kStepFile;
  const Json text = data::read_json(file);
  const std::string where = file.string() + ": ";
  json::require_known_format(text, kStepFormat, where);
  const Json document = json::validate(registry::read_schema("step"), text, where);
  require_step_digest(text, where);
  const Json& constants = document["constants"];
  program::ConstantsReader arrays(folder / kArraysFile, {constants["bytes"], constants["digest"]},
                                  where + "/constants");
  Program program = StepReader(document, arrays, where).read();
  arrays.require_all_read();
  const std::string fault = fault_of(program);
  if (!fault.empty()) throw InputError(where + fault);
  return program;
}

}  // namespace qloom::step_program
