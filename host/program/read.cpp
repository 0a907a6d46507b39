// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "host/data/json_file.hpp"
#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/program/constants.hpp"
#include "host/program/document.hpp"
#include "host/program/files.hpp"
#include "host/program/kinds.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::program {
namespace {

using json::Json;

Type type_named(const std::string& text) {
  return {.is_signed = text[0] == 's', .bits = std::stoi(text.substr(1))};
}

/// Of text that the schema accepts.
class ProgramReader {
 public:
  /// `where`: "<file>: "
  ProgramReader(const Json& text, ConstantsReader& constants, std::string where)
      : text_(text), constants_(constants), where_(std::move(where)) {}

  Program read() {
    program_.origin = {.name = text_["name"],
                       .configuration = text_["made_from"]["configuration"],
                       .checkpoint = text_["made_from"]["checkpoint"]};
    for (const Json& tensor : text_["tensors"]) {
      read_tensor(tensor, fmt::format("/tensors/{}", program_.tensors.size()));
      names_.push_back(program_.tensors.back().name);
    }
    program_.input = tensor_named(text_["input"], "/input");
    for (const Json& op : text_["ops"]) read_op(op, fmt::format("/ops/{}", program_.ops.size()));
    for (const Json& output : text_["outputs"]) {
      const std::string at = fmt::format("/outputs/{}", program_.outputs.size());
      program_.outputs.push_back(tensor_named(output, at));
    }
    if (text_["is_integer"].get<bool>() != float_operations(program_).empty()) {
      refuse("/is_integer", fmt::format("{}, but {}", text_["is_integer"].dump(), steps_text()));
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

  [[nodiscard]] int tensor_named(const std::string& name, const std::string& at) const {
    const int found = find_tensor(program_, name);
    if (found < 0) {
      refuse(at, fmt::format("no tensor \"{}\"{}", name, json::nearest_or_known(name, names_)));
    }
    return found;
  }

  void read_tensor(const Json& text, const std::string& at) {
    Tensor tensor;
    tensor.name = text["name"];
    tensor.height = text["shape"][0];
    tensor.width = text["shape"][1];
    tensor.channels = text["shape"][2];
    tensor.type = type_named(text["type"]);
    tensor.zero_point = number(text["zero_point"], at + "/zero_point");
    if (text.contains("scale")) {
      const Json& scale = text["scale"];
      tensor.scale = scale.is_number() ? std::vector<double>{scale.get<double>()}
                                       : constants_.reals(scale, where_ + at + "/scale");
    }
    program_.tensors.push_back(std::move(tensor));
  }

  void read_op(const Json& text, const std::string& at) {
    Op op;
    op.name = text["name"];
    static_cast<void>(find(text["op"].get<std::string>(), op.kind));  // the schema knows them all
    for (std::size_t i = 0; i < text["in"].size(); ++i) {
      op.inputs.push_back(tensor_named(text["in"][i], fmt::format("{}/in/{}", at, i)));
    }
    op.output = tensor_named(text["out"], at + "/out");
    const Traits traits = traits_of(op.kind);
    if (traits.has_window && op.kind != Kind::kDense)
      read_window(text, program_.tensor(op.inputs[0]), op.window);
    if (op.kind == Kind::kConv) {
      op.window.groups = text["groups"];
      op.pad = number(text["pad_code"], at + "/pad_code");
    }
    if (traits.has_weights) read_products(text, at, op);
    if (traits.has_steps) op.steps = read_chain(text["steps"], at + "/steps");
    if (traits.has_input_steps) {
      for (const Json& chain : text["input_steps"]) {
        const std::string place = fmt::format("{}/input_steps/{}", at, op.input_steps.size());
        op.input_steps.push_back(read_chain(chain, place));
      }
    }
    program_.ops.push_back(std::move(op));
  }

  static void read_window(const Json& text, const Tensor& in, ContractionShape& w) {
    w.in_h = in.height;
    w.in_w = in.width;
    w.in_c = w.out_c = w.groups = in.channels;  // of a pool
    w.kernel_h = text["kernel"][0];
    w.kernel_w = text["kernel"][1];
    w.stride_h = text["stride"][0];
    w.stride_w = text["stride"][1];
    w.dilation_h = text["dilation"][0];
    w.dilation_w = text["dilation"][1];
    w.pad_top = text["pad"][0];
    w.pad_bottom = text["pad"][1];
    w.pad_left = text["pad"][2];
    w.pad_right = text["pad"][3];
  }

  void read_products(const Json& text, const std::string& at, Op& op) {
    ContractionShape& w = op.window;
    w.out_c = program_.tensor(op.output).channels;
    if (op.kind == Kind::kDense) w.in_c = program_.tensor(op.inputs[0]).size();
    const Shape shape = op.kind == Kind::kDense
                            ? Shape{w.out_c, w.in_c}
                            : Shape{w.out_c, w.kernel_h, w.kernel_w, w.in_c / w.groups};
    const auto weights = constants_.integers(text["weights"], shape, where_ + at + "/weights");
    op.weight_type = type_named(text["weight_type"]);
    for (const std::int64_t weight : weights) {
      op.weights.push_back(static_cast<std::int32_t>(weight));
      if (op.weights.back() != weight) {
        refuse(at + "/weights", fmt::format("{}, expected weights of 32 bits", weight));
      }
    }
    const Json& accumulator = text["accumulator"];
    op.sum.bits = accumulator["bits"];
    op.sum.needed = accumulator["needed"];
    static_cast<void>(find(accumulator["overflow"].get<std::string>(), op.sum.overflow));
  }

  Chain read_chain(const Json& text, const std::string& at) {
    Chain chain;
    for (const Json& step : text) {
      chain.push_back(read_step(step, fmt::format("{}/{}", at, chain.size())));
    }
    return chain;
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
    if (step.op == steps::Op::kFloatScale) {
      step.factors = constants_.factors(text["constants"], where_ + at + "/constants");
    } else if (text.contains("constants")) {
      const auto found =
          constants_.integers_of_rank(2, text["constants"], where_ + at + "/constants");
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
  ConstantsReader& constants_;
  std::string where_;
  Program program_;
  std::vector<std::string> names_;  ///< of tensors
};

void require_digest(const Json& document, const std::string& where) {
  const std::string found = document["digest"], expected = digest_of(document);
  if (found == expected) return;
  throw InputError(
      fmt::format("{}/digest: \"{}\", expected \"{}\": the file is not as it was "
                  "written",
                  where, found, expected));
}

}  // namespace

std::string digest_of(Json document) {
  document.erase("digest");
  return data::digest_text(data::hash_of(document.dump()));
}

Program read(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kProgramFile;
  const Json text = data::read_json(file);
  const std::string where = file.string() + ": ";
  json::require_known_format(text, kFormat, where);
  const Json document = json::validate(registry::read_schema("program"), text, where);
  require_digest(text, where);
  const Json& constants = document["constants"];
  ConstantsReader reader(folder / kConstantsFile, {constants["bytes"], constants["digest"]},
                         where + "/constants");
  Program program = ProgramReader(document, reader, where).read();
  reader.require_all_read();
  const std::string fault = fault_of(program);
  if (!fault.empty()) throw InputError(where + fault);
  return program;
}

}  // namespace qloom::program
