// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/json_array.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "host/data/arrays/array_reader.hpp"
#include "host/data/json_file.hpp"
#include "host/registry/registry.hpp"
#include "host/results/warnings.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace fs = std::filesystem;
namespace {

using json::Json;

/// Is the integer, of up to 64 bits, this float32 number? Both sides are below 2^64 where compared.
bool is_exactly(const Json& integer, float x) {
  if (integer.is_number_unsigned()) {
    return x < 0x1p64F && static_cast<std::uint64_t>(x) == integer.get<std::uint64_t>();
  }
  return static_cast<std::int64_t>(x) == integer.get<std::int64_t>();
}

/// The nearest float32, as of any decimal number; an integer must be one, and nothing infinite.
float float_of(const Json& number, const std::string& where) {
  const double value = number.get<double>();
  const auto nearest = static_cast<float>(value);
  if (!std::isfinite(nearest)) {
    throw InputError(fmt::format("{}: {} is larger than {}, the largest float32", where,
                                 number.dump(), std::numeric_limits<float>::max()));
  }
  if (number.is_number_integer() && !is_exactly(number, nearest)) {
    throw InputError(
        fmt::format("{}: the integer {} is no float32 number; those up to 2^24 are, "
                    "and with a decimal point it is rounded to the nearest",
                    where, number.dump()));
  }
  return nearest;
}

/// Appends the numbers below `node` to `values`; the first branch of each depth gives the shape.
void collect(const Json& node, std::size_t depth, Shape& shape, std::vector<float>& values,
             const std::string& where) {
  if (node.is_number() && depth == shape.size()) {
    values.push_back(float_of(node, where));
    return;
  }
  const bool is_new = values.empty() && depth == shape.size();
  if (!node.is_array() || (!is_new && depth >= shape.size())) {
    throw InputError(fmt::format("{}: {} is not {}", where, node.dump(),
                                 depth < shape.size() ? "an array" : "a number"));
  }
  const auto length = static_cast<std::int64_t>(node.size());
  if (is_new) shape.push_back(length);
  if (shape[depth] != length) {
    throw InputError(
        fmt::format("{}: {} elements, expected {} as before", where, length, shape[depth]));
  }
  for (std::size_t i = 0; i < node.size(); ++i) {
    collect(node[i], depth + 1, shape, values, fmt::format("{}/{}", where, i));
  }
}

/// Is the result what was expected? Infinities and NaN, which .npy can hold, are their own equals.
bool is_close(float actual, float expected, double tolerance) {
  if (actual == expected || (std::isnan(actual) && std::isnan(expected))) return true;
  return std::fabs(double{actual} - double{expected}) <= tolerance;
}

/// The result itself may hold infinities; float32 is taken as it is.
Tensor read_expected(const fs::path& file) {
  if (file.extension() == ".json") return read_array(file);
  const data::Array array = data::read_npy_any(file);
  const auto* values = std::get_if<std::vector<float>>(&array.values);
  if (values == nullptr) return read_array(file);
  Tensor x(array.shape);
  std::copy(values->begin(), values->end(), x.begin());
  return x;
}

void append_text(const Tensor& x, std::size_t axis, std::size_t& next, std::string& text) {
  if (axis == x.shape().size()) {
    text += fmt::format("{}", x[next++]);
    return;
  }
  text += "[";
  for (std::int64_t i = 0; i < x.shape()[axis]; ++i) {
    if (i > 0) text += ", ";
    append_text(x, axis + 1, next, text);
  }
  text += "]";
}

}  // namespace

Tensor read_array(const fs::path& file) {
  Shape shape;
  std::vector<float> values;
  if (file.extension() == ".json") {
    collect(data::read_json(file), 0, shape, values, file.string() + ": ");
  } else {
    const data::Array array = data::read_npy_any(file);
    data::RoundedValues rounded;
    values = data::to_float32(array, file.string(), rounded);
    shape = array.shape;
    if (const std::string text = rounded.text(); !text.empty()) {
      results::print_warning({file.string(), text});
    }
  }
  Tensor x(shape);
  std::copy(values.begin(), values.end(), x.begin());
  return x;
}

void write_array(const fs::path& file, const fs::path& planned, const Tensor& x) {
  if (planned.extension() != ".json") return data::write_npy(file, x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isfinite(x[i])) continue;
    throw RunError(
        fmt::format("{}: element {} is {}, which JSON has no number for; expected a .npy "
                    "file, or finite values",
                    planned.string(), data::index_text(x.shape(), i), x[i]));
  }
  std::string text;
  std::size_t next = 0;
  append_text(x, 0, next, text);
  data::write_text(file, text + "\n");
}

void require_json_numbers(const Json& json, const std::string& where) {
  if (json.is_number_float() && !std::isfinite(json.get<double>())) {
    throw RunError(
        fmt::format("{} is {}, which JSON has no number for", where, json.get<double>()));
  }
  if (!json.is_structured()) return;
  for (const auto& [key, value] : json.items()) {
    require_json_numbers(value, fmt::format("{}/{}", where, key));
  }
}

std::string shape_text(const Shape& shape) {
  std::string text;
  for (const auto extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + ")";
}

void expect_array(const Tensor& x, const fs::path& file, double tolerance) {
  const Tensor expected = read_expected(file);
  if (expected.shape() != x.shape()) {
    throw InputError(fmt::format("{}: shape {}, the result has {}", file.string(),
                                 shape_text(expected.shape()), shape_text(x.shape())));
  }
  std::size_t first = x.size(), count = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (is_close(x[i], expected[i], tolerance)) continue;
    if (count++ == 0) first = i;
  }
  if (count == 0) return;
  throw RunError(fmt::format(
      "{}: element {} is {}, expected {}; {} of {} are farther than {} from what was expected",
      file.string(), data::index_text(x.shape(), first), x[first], expected[first], count, x.size(),
      tolerance));
}

}  // namespace qloom::cli
