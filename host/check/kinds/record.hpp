// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a method gives on an input, in one form for all kinds, so that runs can be compared.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "host/check/context.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::check {

using Values = decltype(data::Array::values);

struct Entry {
  std::string name;  ///< "apply, stochastic"
  Values values;
  std::string refusal;  ///< status and message instead of values
};
using Record = std::vector<Entry>;

/// The first bit in which they differ, in words; empty when there is none.
[[nodiscard]] std::string difference(const Record& found, const Record& expected);
[[nodiscard]] std::string difference(const Values& found, const Values& expected);
[[nodiscard]] std::string difference(const data::Arrays& found, const data::Arrays& expected);

/// Of names, values and refusals; the same on every system.
[[nodiscard]] std::uint64_t digest_of(const Record& record);

/// A tensor and how it is looked at.
struct Input {
  std::string name;
  Tensor x;
  int channel_axis = 0;
  std::uint64_t outer = 1, groups = 1;  ///< for range estimators
  bool is_ordinary = true;              ///< no method may refuse it
  bool is_subnormal = false;            ///< nothing but values below 2^-126
};
/// Odd sizes, more than one tile, one element, zeros, a constant, subnormals and signed zeros, in
/// shapes that the kind takes.
[[nodiscard]] std::vector<Input> inputs_of(const std::string& kind, std::uint64_t seed);

/// Standard normal values times `deviation`; uniform values.
[[nodiscard]] Tensor gaussian(const Shape& shape, std::uint64_t seed, float deviation = 1.0F);
[[nodiscard]] Tensor uniform(const Shape& shape, std::uint64_t seed, float lo, float hi);
[[nodiscard]] Tensor tensor_of(const std::vector<float>& values, Shape shape = {});
/// All finite float16 values, sign and subnormals included.
[[nodiscard]] std::vector<float> float16_values();

/// What a call writes to before it is made: a result that was not written stands out.
inline constexpr float kUnwritten = -7.25e30F;

/// Factor of the data of a round: what is kept of the first one must show in smaller values too.
[[nodiscard]] constexpr float factor_of(std::uint64_t round) {
  constexpr float kFactors[] = {1.0F, 0.5F, 1.25F, 0.75F};
  return kFactors[round % 4];
}
[[nodiscard]] Tensor scaled(const Tensor& x, float factor);

/// All functions of the kind's table on one input, as the host calls them, on as many threads as
/// OpenMP has. round: 0, 1, ...: the step (of a procedure the epoch), and what data it sees.
[[nodiscard]] Record exercise(Context& context, const Case& c, registry::Instance& instance,
                              const Input& input, std::uint64_t round);
/// The same for a new instance, rounds 0 and 1, of a procedure also the last one.
[[nodiscard]] Record fresh_record(Context& context, const Case& c, const Input& input);

Record exercise_quantizer(Context&, const Case&, registry::Instance&, const Input&, std::uint64_t);
Record exercise_range(Context&, const Case&, registry::Instance&, const Input&, std::uint64_t);
/// What a range estimator answers now: two ends a group.
[[nodiscard]] Entry ranges_now(Context&, const registry::Instance&, std::uint64_t groups);
Record exercise_norm(Context&, const Case&, registry::Instance&, const Input&, std::uint64_t);
Record exercise_rounding(Context&, const Case&, registry::Instance&, const Input&, std::uint64_t);
Record exercise_accumulator(Context&, const Case&, registry::Instance&, const Input&,
                            std::uint64_t);
/// input.name: which task (requantizer.hpp).
Record exercise_requantizer(Context&, const Case&, registry::Instance&, const Input&,
                            std::uint64_t);
Record exercise_procedure(Context&, const Case&, registry::Instance&, const Input&, std::uint64_t);
/// The round after which a procedure's run is over.
inline constexpr std::uint64_t kLastRound = 2;

void append(Record& record, Record&& more);

/// Number of threads for a while.
class Threads {
 public:
  explicit Threads(int count);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace qloom::check
