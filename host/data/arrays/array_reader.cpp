// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/arrays/array_reader.hpp"

#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "host/data/arrays/npy.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

constexpr std::int64_t kLargestInteger = std::int64_t{1} << 24;  // float32 holds all up to it

[[noreturn]] void refuse_element(const Array& array, std::size_t i, const std::string& where,
                                 const std::string& what) {
  throw InputError(fmt::format("{}: element {} is {}", where, index_text(array.shape, i), what));
}

template <class T>
constexpr const char* name_of() {
  if constexpr (std::is_same_v<T, float>) return "float32";
  if constexpr (std::is_same_v<T, double>) return "float64";
  if constexpr (std::is_same_v<T, std::int32_t>) return "int32";
  if constexpr (std::is_same_v<T, std::int64_t>) return "int64";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "uint8";
}

template <class T>
float nearest_float32(T value, const Array& array, std::size_t i, const std::string& where) {
  if constexpr (std::is_integral_v<T>) {
    const auto wide = static_cast<std::int64_t>(value);
    if (wide < -kLargestInteger || wide > kLargestInteger) {
      refuse_element(array, i, where,
                     fmt::format("{}; expected integers from -2^24 to 2^24, which float32 holds "
                                 "exactly",
                                 wide));
    }
    return static_cast<float>(wide);
  } else {
    if (!std::isfinite(value)) {
      refuse_element(array, i, where, fmt::format("{}; expected finite values", value));
    }
    const auto nearest = static_cast<float>(value);
    if (!std::isfinite(nearest)) {
      refuse_element(array, i, where,
                     fmt::format("{}; expected at most {}, the largest float32", value,
                                 std::numeric_limits<float>::max()));
    }
    return nearest;
  }
}

}  // namespace

const char* type_name(const Array& array) {
  return std::visit(
      [](const auto& values) {
        return name_of<typename std::decay_t<decltype(values)>::value_type>();
      },
      array.values);
}

std::string describe(const Array& array) {
  return fmt::format("{} {}", type_name(array), shape_text(array.shape));
}

std::string index_text(const Shape& shape, std::size_t flat) {
  std::string text;
  for (std::size_t i = shape.size(); i-- > 0;) {
    const auto extent = static_cast<std::size_t>(shape[i]);
    text = std::to_string(flat % extent) + (text.empty() ? "" : ", " + text);
    flat /= extent;
  }
  return "[" + text + "]";
}

std::string RoundedValues::text() const {
  if (inexact == 0) return "";
  return fmt::format(
      "{} of {} float64 values are no float32 numbers and were rounded to the nearest", inexact,
      values);
}

std::vector<float> to_float32(const Array& array, const std::string& where,
                              RoundedValues& rounded) {
  return std::visit(
      [&](const auto& values) {
        using T = typename std::decay_t<decltype(values)>::value_type;
        std::vector<float> out(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
          out[i] = nearest_float32(values[i], array, i, where);
          if constexpr (std::is_same_v<T, double>) {
            if (static_cast<double>(out[i]) != values[i]) ++rounded.inexact;
          }
        }
        if constexpr (std::is_same_v<T, double>) rounded.values += values.size();
        return out;
      },
      array.values);
}

ArrayReader::ArrayReader(const Arrays& arrays, std::string file)
    : arrays_(&arrays), file_(std::move(file)) {}

bool ArrayReader::contains_below(const std::string& prefix) const {
  const auto first = arrays_->lower_bound(prefix);
  return first != arrays_->end() && first->first.starts_with(prefix);
}

std::string ArrayReader::where(const std::string& name) const {
  return fmt::format("{}: array \"{}\"", file_, name);
}

void ArrayReader::refuse(const std::string& name, const std::string& expected) const {
  if (const auto found = arrays_->find(name); found != arrays_->end()) {
    throw InputError(
        fmt::format("{} is {}, expected {}", where(name), describe(found->second), expected));
  }
  std::vector<std::string> candidates = unread();
  std::erase_if(candidates, [this](const auto& other) { return expected_.contains(other); });
  throw InputError(fmt::format("{} is missing, expected {}{}", where(name), expected,
                               json::did_you_mean(name, candidates)));
}

const Array& ArrayReader::require(const std::string& name, const std::string& expected) {
  const auto found = arrays_->find(name);
  if (found == arrays_->end()) refuse(name, expected);
  read_.insert(name);
  return found->second;
}

template <class T>
const std::vector<T>& ArrayReader::read(const std::string& name, const Shape& shape) {
  const std::string expected = fmt::format("{} {}", name_of<T>(), shape_text(shape));
  const Array& array = require(name, expected);
  const auto* values = std::get_if<std::vector<T>>(&array.values);
  if (values == nullptr || array.shape != shape) refuse(name, expected);
  return *values;
}

template <class T>
const std::vector<T>& ArrayReader::read_list(const std::string& name) {
  const std::string expected = fmt::format("{} with one axis", name_of<T>());
  const Array& array = require(name, expected);
  const auto* values = std::get_if<std::vector<T>>(&array.values);
  if (values == nullptr || array.shape.size() != 1) refuse(name, expected);
  return *values;
}

template const std::vector<float>& ArrayReader::read(const std::string&, const Shape&);
template const std::vector<std::uint8_t>& ArrayReader::read(const std::string&, const Shape&);
template const std::vector<double>& ArrayReader::read(const std::string&, const Shape&);
template const std::vector<std::int32_t>& ArrayReader::read(const std::string&, const Shape&);
template const std::vector<std::int64_t>& ArrayReader::read(const std::string&, const Shape&);
template const std::vector<float>& ArrayReader::read_list(const std::string&);
template const std::vector<double>& ArrayReader::read_list(const std::string&);
template const std::vector<std::uint8_t>& ArrayReader::read_list(const std::string&);

json::Json ArrayReader::read_json(const std::string& name) {
  const auto& text = read_list<std::uint8_t>(name);
  return json::parse({text.begin(), text.end()}, where(name));
}

std::vector<float> ArrayReader::read_weights(const std::string& name, const Shape& shape) {
  const std::string expected = fmt::format("float32 {}", shape_text(shape));
  const Array& array = require(name, expected);
  if (array.shape != shape) refuse(name, expected);
  return to_float32(array, where(name), rounded_);
}

void ArrayReader::require_type(const std::string& name, const Array& like) const {
  const auto found = arrays_->find(name);
  if (found == arrays_->end() || found->second.values.index() != like.values.index()) {
    refuse(name, type_name(like));
  }
}

Arrays ArrayReader::read_below(const std::string& prefix) {
  Arrays part;
  for (auto it = arrays_->lower_bound(prefix);
       it != arrays_->end() && it->first.starts_with(prefix); ++it) {
    part.emplace(it->first.substr(prefix.size()), it->second);
    read_.insert(it->first);
  }
  return part;
}

void ArrayReader::ignore_below(const std::string& prefix) {
  const std::vector<std::string> names = names_below(prefix);
  read_.insert(names.begin(), names.end());
}

std::vector<std::string> ArrayReader::names_below(const std::string& prefix) const {
  std::vector<std::string> names;
  for (auto it = arrays_->lower_bound(prefix);
       it != arrays_->end() && it->first.starts_with(prefix); ++it) {
    names.push_back(it->first);
  }
  return names;
}

std::string ArrayReader::nearest_read(const std::string& name) const {
  return json::did_you_mean(name, {read_.begin(), read_.end()});
}

std::vector<std::string> ArrayReader::unread() const {
  std::vector<std::string> names;
  for (const auto& [name, array] : *arrays_) {
    if (!read_.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace qloom::data
