// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/step_program/builder.hpp"

#include <algorithm>

#include "host/step_program/tensors.hpp"

namespace qloom::step_program {

std::string Builder::unused(const std::string& name) const {
  std::string text;
  for (const char c : name) {
    const bool stays = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
                       c == '.' || (c >= '0' && c <= '9');
    text += stays ? c : '_';
  }
  if (text.empty() || (text[0] >= '0' && text[0] <= '9') || text[0] == '-' || text[0] == '.') {
    text = "_" + text;
  }
  std::string found = text;
  for (int i = 2; find_tensor(program_, found) >= 0; ++i) found = text + "_" + std::to_string(i);
  return found;
}

int Builder::add_tensor(const std::string& name, Each each, const Shape& shape,
                        steps::Interval values, std::optional<int> exponent) {
  program_.tensors.push_back({unused(name), each, shape, program::type_of(values), exponent});
  ranges_.push_back(values);
  return static_cast<int>(program_.tensors.size()) - 1;
}

int Builder::add_parameter(const std::string& name, const Shape& shape, steps::Interval bounds,
                           int exponent, std::vector<std::int64_t> initial) {
  const int tensor = add_tensor(name, Each::kWeights, shape, bounds, exponent);
  program_.parameters.push_back({tensor, -1, std::move(initial)});
  return tensor;
}

int Builder::add_images(const Shape& shape) {
  return add_tensor("images", Each::kSample, shape, {0, 255}, std::nullopt);
}

Held Builder::add(Op op, const std::string& name, const Shape& shape, int exponent) {
  const bool is_of_weights =
      op.kind == Kind::kConvDw || op.kind == Kind::kDenseDw ||
      (!traits_of(op.kind).is_product && program_.tensor(op.inputs[0]).each == Each::kWeights);
  const Each each = op.kind == Kind::kExponent ? Each::kStep
                    : is_of_weights            ? Each::kWeights
                                               : Each::kSample;
  // Where the values of a place in a window or an exponent are told, they are no real numbers.
  const bool is_real = op.kind != Kind::kExponent && op.kind != Kind::kMaxPlace;
  op.output =
      add_tensor(name, each, shape, {0, 0}, is_real ? std::optional<int>(exponent) : std::nullopt);
  const auto out = static_cast<std::size_t>(op.output);
  op.name = program_.tensors[out].name;
  if (traits_of(op.kind).has_window || traits_of(op.kind).is_product) {
    complete_window(program_, op);
  }
  ranges_[out] = range_behind(program_, ranges_, op, op.name);
  program_.tensors[out].type = program::type_of(ranges_[out]);
  const Held held{op.output, exponent};
  ops_[static_cast<std::size_t>(op.section)].push_back(std::move(op));
  return held;
}

Held Builder::add(Op op, const std::string& name, int exponent) {
  const Shape shape = program_.tensor(op.inputs[0]).shape;
  return add(std::move(op), name, shape, exponent);
}

int Builder::add_exponent(int tensor, Section section) {
  const std::string name = program_.tensor(tensor).name + ".exponent";
  Op op{.kind = Kind::kExponent, .section = section, .inputs = {tensor}};
  return add(std::move(op), name, Shape{1}, 0).tensor;
}

Held Builder::as_float32(Held values, Section section) {
  const steps::Interval held = range(values.tensor);
  if (std::max(-held.lo, held.hi) <= kFloat32Exact) return values;
  const std::string name = program_.tensor(values.tensor).name + ".float32";
  Op op{.kind = Kind::kSignificant, .section = section, .inputs = {values.tensor}, .bits = 24};
  return add(std::move(op), name, values.exponent);
}

Program Builder::finished() {
  for (auto& section : ops_) {
    std::move(section.begin(), section.end(), std::back_inserter(program_.ops));
    section.clear();
  }
  return program_;
}

}  // namespace qloom::step_program
