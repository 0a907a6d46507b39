// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/document.hpp"

#include <algorithm>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/json_file.hpp"
#include "host/json/explain.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/json/validate.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::program {
namespace {

using json::Json;

Json step_json(const steps::Step& step, const std::string& array, ConstantsWriter& arrays) {
  Json text = {{"do", name_of(step.op)}};
  if (step.op == steps::Op::kShiftRight) text["rounding"] = name_of(step.rounding);
  const auto groups = static_cast<std::int64_t>(step.groups());
  const bool is_list = step.op == steps::Op::kCount || step.op == steps::Op::kTable;
  if (step.op == steps::Op::kFloatScale) {
    text["constants"] = array;
    arrays.add(array, {groups, 1}, step.factors);
  } else if (is_list || step.groups() > 1) {
    text["constants"] = array;
    arrays.add(array, {groups, static_cast<std::int64_t>(step.per_channel)}, step.constants);
  } else if (step.op == steps::Op::kClamp) {
    text["low"] = step.constants[0];
    text["high"] = step.constants[1];
  } else {
    text["value"] = step.constants[0];
  }
  return text;
}

/// What the schema accepts, of a text whose digest is right.
Json sound_text(const std::filesystem::path& file, const DocumentForm& form,
                const std::string& where) {
  const Json text = data::read_json(file);
  json::require_known_format(text, form.newest, where);
  Json document = json::validate(registry::read_schema(form.schema), text, where);
  const std::string found = text["digest"], expected = digest_of(text);
  if (found == expected) return document;
  throw InputError(
      fmt::format("{}/digest: \"{}\", expected \"{}\": the file is not as it was written", where,
                  found, expected));
}

}  // namespace

std::string digest_of(Json document) {
  document.erase("digest");
  return data::digest_text(data::hash_of(document.dump()));
}

Json to_json(const Chain& chain, const std::string& array, ConstantsWriter& arrays) {
  Json text = Json::array();
  for (std::size_t i = 0; i < chain.size(); ++i) {
    text.push_back(step_json(chain[i], fmt::format("{}.{}", array, i), arrays));
  }
  return text;
}

void add_window(const ContractionShape& w, Json& text) {
  text["kernel"] = {w.kernel_h, w.kernel_w};
  text["stride"] = {w.stride_h, w.stride_w};
  text["pad"] = {w.pad_top, w.pad_bottom, w.pad_left, w.pad_right};
}

void write_document(Json document, const ConstantsWriter& arrays, const DocumentForm& form,
                    const std::filesystem::path& folder) {
  const data::Bytes bytes = arrays.bytes();
  document["constants"] = to_json(hash_of(bytes), form.arrays);
  document["digest"] = digest_of(document);
  const std::string text = document.dump(2) + "\n";
  data::require_writable_folder(folder);
  data::StagedFile staged_arrays(folder / form.arrays, bytes);
  data::StagedFile staged_text(
      folder / form.text,
      std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
  staged_arrays.commit();
  staged_text.commit();
}

DocumentReader::DocumentReader(const std::filesystem::path& folder, const DocumentForm& form)
    : where_((folder / form.text).string() + ": "),
      text_(sound_text(folder / form.text, form, where_)),
      arrays_(folder / form.arrays, {text_["constants"]["bytes"], text_["constants"]["digest"]},
              where_ + "/constants") {}

void DocumentReader::refuse(const std::string& at, const std::string& why) const {
  throw InputError(fmt::format("{}{}: {}", where_, at, why));
}

std::int64_t DocumentReader::number(const Json& value, const std::string& at) const {
  const bool is_large = value.is_number_unsigned() &&
                        value.get<std::uint64_t>() >
                            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_integer() || is_large) {
    refuse(at, json::shown(value) + ", expected an integer from -2^63 to 2^63 - 1");
  }
  return value.get<std::int64_t>();
}

Type DocumentReader::type(const std::string& name) {
  return {.is_signed = name[0] == 's', .bits = std::stoi(name.substr(1))};
}

void DocumentReader::read_window(const Json& text, ContractionShape& w) {
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
}

int DocumentReader::tensor(const Json& name, const std::string& at) const {
  const std::string wanted = name;
  const auto found = std::find(tensors_.begin(), tensors_.end(), wanted);
  if (found == tensors_.end()) {
    refuse(at, fmt::format("no tensor \"{}\"{}", wanted, json::nearest_or_known(wanted, tensors_)));
  }
  return static_cast<int>(found - tensors_.begin());
}

std::vector<int> DocumentReader::tensors_in(const Json& op, const std::string& at) const {
  std::vector<int> all;
  for (std::size_t i = 0; i < op["in"].size(); ++i) {
    all.push_back(tensor(op["in"][i], fmt::format("{}/in/{}", at, i)));
  }
  return all;
}

Chain DocumentReader::chain(const Json& text, const std::string& at) {
  Chain made;
  for (const Json& one : text) made.push_back(step(one, fmt::format("{}/{}", at, made.size())));
  return made;
}

steps::Step DocumentReader::step(const Json& text, const std::string& at) {
  steps::Step made;
  static_cast<void>(steps::find(text["do"].get<std::string>(), made.op));  // the schema knows all
  if (text.contains("rounding")) {
    static_cast<void>(steps::find(text["rounding"].get<std::string>(), made.rounding));
  }
  if (text.contains("constants") == (text.contains("value") || text.contains("low"))) {
    refuse(at, "expected either \"constants\" or the numbers themselves");
  }
  if (made.op == steps::Op::kFloatScale) {
    made.factors = arrays_.factors(text["constants"], place(at + "/constants"));
  } else if (text.contains("constants")) {
    const auto found = arrays_.integers_of_rank(2, text["constants"], place(at + "/constants"));
    made.constants = found.values;
    made.per_channel = static_cast<std::uint64_t>(found.shape[1]);
  } else if (text.contains("low")) {
    made.constants = {number(text["low"], at + "/low"), number(text["high"], at + "/high")};
    made.per_channel = 2;
  } else {
    made.constants = {number(text["value"], at + "/value")};
  }
  return made;
}

void DocumentReader::require_sound(const std::string& fault) const {
  arrays_.require_all_read();
  if (!fault.empty()) throw InputError(where_ + fault);
}

}  // namespace qloom::program
