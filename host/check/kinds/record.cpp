// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/kinds/record.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "host/check/kinds/requantizer.hpp"
#include "host/data/hash.hpp"
#include "host/tensor/error.hpp"
#include "host/tensor/normal.hpp"
#include "host/tensor/random.hpp"

namespace qloom::check {
namespace {

template <class T>
std::string first_difference(const std::vector<T>& found, const std::vector<T>& expected) {
  if (found.size() != expected.size()) {
    return fmt::format("{} values, expected {}", found.size(), expected.size());
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::memcmp(&found[i], &expected[i], sizeof(T)) == 0) continue;
    return fmt::format("element {} is {}, expected {}", i, found[i], expected[i]);
  }
  return {};
}

/// Rows of magnitudes 1/4, 1/2, 1, 2, 4 in turn: no two neighbours fit one scale.
Tensor uneven(Tensor x) {
  const auto row = static_cast<std::size_t>(x.shape().back());
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = std::ldexp(x[i], static_cast<int>(i / row % 5) - 2);
  }
  return x;
}

Input input(std::string name, Tensor x, int channel_axis = 0) {
  return {std::move(name), std::move(x), channel_axis, 1, 1, true, false};
}

std::vector<Input> quantizer_inputs(std::uint64_t seed) {
  std::vector<Input> list;
  list.push_back(input("37 x 129 uneven", uneven(gaussian({37, 129}, seed + 1))));
  list.push_back(input("5 x 13 x 7 x 61 normal", gaussian({5, 13, 7, 61}, seed + 2, 0.25F), 3));
  list.push_back(input("2 x 2051 positive", uniform({2, 2051}, seed + 3, 0.0F, 6.5F), 1));
  list.push_back(input("33 zeros", tensor_of(std::vector<float>(33, 0.0F))));
  list.push_back(input("constant", tensor_of(std::vector<float>(20, -0.75F), {4, 5})));
  list.push_back(input("one element", tensor_of({0.3F})));
  list.push_back(input("subnormals", tensor_of({1e-40F, -1e-41F, 1e-39F, 0.0F, -0.0F, -3e-42F})));
  list.back().is_subnormal = true;
  list.push_back(
      input("extremes", tensor_of({0.0F, -0.0F, 1e-40F, -1e-40F, 1e-20F, -3e20F, 1.0F, 0.5F, -0.5F,
                                   1.5F, 2.5F, 0.24999999F, 1e10F, -1e10F, 127.5F})));
  list.back().is_ordinary = false;  // a format without saturation may overflow
  return list;
}

std::vector<Input> range_inputs(std::uint64_t seed) {
  std::vector<Input> list = quantizer_inputs(seed);
  const std::uint64_t layouts[][2] = {{37, 3}, {37 * 257, 3}, {1, 37}};
  for (const auto& [outer, groups] : layouts) {
    list.push_back({fmt::format("37 x 3 x 257 uneven as {} x {} groups", outer, groups),
                    uneven(gaussian({37, 3, 257}, seed + 4)), 0, outer, groups, true, false});
  }
  return list;
}

std::vector<Input> norm_inputs(std::uint64_t seed) {
  std::vector<Input> list;
  for (const Shape& shape : {Shape{523, 5}, Shape{64, 33}, Shape{4099, 16}}) {
    list.push_back(
        input(fmt::format("{} x {} normal", shape[0], shape[1]), gaussian(shape, seed + 5, 3.0F)));
  }
  Tensor x = gaussian({96, 3}, seed + 6);
  for (std::size_t row = 0; row < 96; ++row) x[3 * row + 1] = 2.5F;
  list.push_back(input("96 x 3 with a constant channel", std::move(x)));
  return list;
}

/// No tensors: the name says which task.
std::vector<Input> requantizer_inputs() {
  std::vector<Input> list;
  for (const NamedTask& one : requantize_tasks()) {
    list.push_back(input(one.name, tensor_of({0.0F})));
    list.back().is_ordinary = one.is_ordinary;
  }
  return list;
}

}  // namespace

std::string difference(const Values& found, const Values& expected) {
  if (found.index() != expected.index()) return "another element type";
  return std::visit(
      [&](const auto& values) {
        return first_difference(values, std::get<std::decay_t<decltype(values)>>(expected));
      },
      found);
}

std::uint64_t digest_of(const Record& record) {
  data::Hash hash;
  for (const Entry& entry : record) {
    hash.add(entry.name.c_str(), entry.name.size() + 1);
    std::visit([&](const auto& list) { hash.add(list.data(), list.size() * sizeof(list[0])); },
               entry.values);
    hash.add(entry.refusal.c_str(), entry.refusal.size() + 1);
  }
  return hash.digest();
}

std::string difference(const Record& found, const Record& expected) {
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    if (found[i].name != expected[i].name) {
      return fmt::format("gave \"{}\", expected \"{}\"", found[i].name, expected[i].name);
    }
    if (found[i].refusal != expected[i].refusal) {
      return fmt::format("{}: {}, expected {}", found[i].name,
                         found[i].refusal.empty() ? "accepted" : found[i].refusal,
                         expected[i].refusal.empty() ? "values" : expected[i].refusal);
    }
    const std::string text = difference(found[i].values, expected[i].values);
    if (!text.empty()) return found[i].name + ": " + text;
  }
  if (found.size() == expected.size()) return {};
  return fmt::format("{} results, expected {}", found.size(), expected.size());
}

std::string difference(const data::Arrays& found, const data::Arrays& expected) {
  for (const auto& [key, array] : expected) {
    if (!found.contains(key)) return fmt::format("\"{}\" is missing", key);
    const std::string text = difference(found.at(key).values, array.values);
    if (!text.empty()) return fmt::format("\"{}\": {}", key, text);
  }
  for (const auto& [key, array] : found) {
    if (!expected.contains(key)) return fmt::format("\"{}\" was not there before", key);
  }
  return {};
}

std::vector<Input> inputs_of(const std::string& kind, std::uint64_t seed) {
  if (kind == "quantizer") return quantizer_inputs(seed);
  if (kind == "range") return range_inputs(seed);
  if (kind == "norm") return norm_inputs(seed);
  if (kind == "rounding") {
    std::vector<Input> list;
    list.push_back(input("all float16 values", tensor_of(float16_values())));
    list.push_back(input("10007 normal", gaussian({10007}, seed + 7, 30.0F)));
    return list;
  }
  if (kind == "accumulator") {
    std::vector<Input> list;
    list.push_back(input("13 x 151 normal", gaussian({13, 151}, seed + 8, 4.0F)));
    list.push_back(input("3 x 1000 large", gaussian({3, 1000}, seed + 9, 100.0F)));
    return list;
  }
  if (kind == "requantizer") return requantizer_inputs();
  std::vector<Input> list;
  list.push_back(input("a run of two layers", gaussian({12, 10}, seed + 10, 0.25F)));
  return list;
}

Tensor gaussian(const Shape& shape, std::uint64_t seed, float deviation) {
  constexpr std::uint64_t kGaussian = stream_id("check/gaussian");
  Tensor x(shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = deviation * normal(seed, kGaussian, 0, i);
  }
  return x;
}

Tensor uniform(const Shape& shape, std::uint64_t seed, float lo, float hi) {
  Tensor x(shape);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = lo + (hi - lo) * qloom::uniform(random_word(seed, stream_id("check/uniform"), 0, i));
  }
  return x;
}

Tensor tensor_of(const std::vector<float>& values, Shape shape) {
  if (shape.empty()) shape = {static_cast<std::int64_t>(values.size())};
  Tensor x(shape);
  std::copy(values.begin(), values.end(), x.begin());
  return x;
}

std::vector<float> float16_values() {
  std::vector<float> all;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 0x1F);
    const auto fraction = static_cast<float>(bits & 0x3FF);
    if (exponent == 31) continue;  // infinity and NaN
    const float magnitude =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0F + fraction, exponent - 25);
    all.push_back((bits & 0x8000) != 0 ? -magnitude : magnitude);
  }
  return all;
}

Record exercise(Context& context, const Case& c, registry::Instance& instance, const Input& input,
                std::uint64_t round) {
  const std::string& kind = context.method().kind;
  if (kind == "quantizer") return exercise_quantizer(context, c, instance, input, round);
  if (kind == "range") return exercise_range(context, c, instance, input, round);
  if (kind == "norm") return exercise_norm(context, c, instance, input, round);
  if (kind == "rounding") return exercise_rounding(context, c, instance, input, round);
  if (kind == "accumulator") return exercise_accumulator(context, c, instance, input, round);
  if (kind == "requantizer") return exercise_requantizer(context, c, instance, input, round);
  return exercise_procedure(context, c, instance, input, round);
}

Record fresh_record(Context& context, const Case& c, const Input& input) {
  registry::Instance instance = context.create(c);
  Record all = exercise(context, c, instance, input, 0);
  append(all, exercise(context, c, instance, input, 1));
  if (context.method().kind == "procedure") {
    append(all, exercise(context, c, instance, input, kLastRound));
  }
  return all;
}

void append(Record& record, Record&& more) {
  for (Entry& entry : more) record.push_back(std::move(entry));
}

Tensor scaled(const Tensor& x, float factor) {
  Tensor y = x;
  for (float& v : y) v *= factor;
  return y;
}

Threads::Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
Threads::~Threads() { omp_set_num_threads(before_); }

}  // namespace qloom::check
