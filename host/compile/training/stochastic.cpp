// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Finds out of a quantizer that rounds at random which numbers it compares with fractions, of how
// many bits, and its rate.
#include <algorithm>
#include <cmath>

#include "host/compile/training/probe.hpp"
#include "host/step_program/execute.hpp"
#include "host/step_program/numbers.hpp"
#include "host/tensor/random.hpp"

namespace qloom::compile {
namespace {

using step_program::Lfsr;

constexpr int kTriedExponent = 46;  // exponent of the largest magnitude that is tried
constexpr int kMostBits = 32;       // of a random number
constexpr int kFractionBits = 24;   // what float32 has of a fraction
// A comparison goes on until so many values were rounded up, and so many down, sharply; it gives up
// after so many steps or values.
constexpr std::size_t kSharpValues = 64;
constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 17;
constexpr std::size_t kMostValues = std::size_t{1} << 22;

struct Form {
  step_program::Op op;  ///< stream, random bits, register, one rate
  int exponent = 0;

  [[nodiscard]] int shift() const { return op.rates[0].shift; }
};

/// How many values lay just above the element's number, and how many not.
struct Sharp {
  std::size_t up = 0, down = 0;

  [[nodiscard]] bool is_enough() const { return up >= kSharpValues && down >= kSharpValues; }
};

/// Values whose fraction lies just above or just below the element's number, as so many bits see
/// it, for a rate of 2^shift: with one bit more or less some would be rounded otherwise. Counts
/// those that neither the largest magnitude, which stands at one place, nor float32 cuts.
std::vector<std::int64_t> sharp_values(const Tried& tried, const Form& form, Sharp& sharp) {
  const std::uint64_t step = tried.phase.step;
  step_program::RandomNumbers numbers(form.op, tried.site.context().seed, step);
  const int n = kTriedExponent - form.shift();  // bits of the fraction
  const int more_bits = n - form.op.random_bits;
  const std::int64_t most = std::int64_t{1} << kTriedExponent;
  std::vector<std::int64_t> v(element_count(tried.shape));
  const std::size_t at_most = step % v.size();
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::uint64_t turn = i + step / v.size();
    const bool goes_up = turn % 2 == 1;
    const std::uint64_t head = std::uint64_t{numbers.next()} + (goes_up ? 1 : 0);
    const std::uint64_t more = turn % 4 < 2 ? std::uint64_t{1} << (more_bits - 1) : 0;
    const auto value = static_cast<std::int64_t>((head << more_bits) + more);
    const bool is_fraction = head >> form.op.random_bits == 0;
    v[i] = step_program::significant(std::min(value, most), kFractionBits);
    if (i == at_most) v[i] = most;
    if (v[i] == value && is_fraction) ++(goes_up ? sharp.up : sharp.down);
    if (turn % 3 == 0) v[i] = -v[i];
  }
  return v;
}

/// Values of all magnitudes up to this one, which is among them.
std::vector<std::int64_t> values_below(const Tried& tried, std::int64_t most, std::uint64_t seed) {
  std::vector<std::int64_t> v(element_count(tried.shape));
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::uint64_t word =
        std::uint64_t{random_word(seed, 2, 0, 2 * i)} << 32 | random_word(seed, 2, 0, 2 * i + 1);
    const auto value =
        static_cast<std::int64_t>(word % static_cast<std::uint64_t>(most + 1)) >> (word >> 58) % 20;
    v[i] = step_program::significant(word >> 63 != 0 ? -value : value, kFractionBits);
    v[i] = std::clamp(v[i], -most, most);
  }
  v[v.size() / 2] = most;
  return v;
}

/// Does the quantizer round these values as the form says?
bool rounds_so(const Tried& tried, const std::vector<std::int64_t>& v, const Form& form) {
  Tensor y;
  tried.site.forward(tensor_of_points(v, tried.shape, 0, tried.exponent), y, tried.phase);
  std::uint64_t most = 0;
  for (const std::int64_t value : v) {
    most = std::max(most, static_cast<std::uint64_t>(value < 0 ? -value : value));
  }
  const int e = most == 0 ? 0 : step_program::exponent_of(most);
  step_program::RandomNumbers numbers(form.op, tried.site.context().seed, tried.phase.step);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::int64_t expected =
        step_program::round_stochastic(v[i], form.shift() - e, form.op.random_bits, numbers.next());
    if (std::ldexp(double{y[i]}, -form.exponent) != static_cast<double>(expected)) return false;
  }
  return true;
}

/// The form holds for enough sharp values. The smaller the rate, and the more bits a number has
/// beyond those of float32, the fewer values are sharp: the more steps.
bool holds_sharply(Tried tried, const Form& form) {
  const int bits = form.op.random_bits;
  if (kTriedExponent - form.shift() - bits < 1) return false;
  if (bits + form.shift() < 0) return false;  // the largest value has no such bits: none goes up
  const std::uint64_t first = tried.phase.step;
  const std::uint64_t steps = std::min(kMostSteps, kMostValues / element_count(tried.shape));
  Sharp sharp;
  for (std::uint64_t i = 0; i < 2 || !sharp.is_enough(); ++i) {
    if (i >= std::max<std::uint64_t>(steps, 2)) return false;
    tried.phase.step = first + 77 * i;
    if (!rounds_so(tried, sharp_values(tried, form, sharp), form)) return false;
  }
  return true;
}

/// The form holds at several steps, for sharp values, for all magnitudes and for zeros.
bool holds(Tried tried, const Form& form) {
  if (!holds_sharply(tried, form)) return false;
  for (int e = 0; e <= 34; ++e) {
    const auto root = static_cast<std::int64_t>(std::ldexp(std::sqrt(2.0), e));
    for (const std::int64_t largest : {std::int64_t{1} << e, root, root + 1}) {
      const std::int64_t most = step_program::significant(largest, kFractionBits);
      ++tried.phase.step;
      if (!rounds_so(tried, values_below(tried, most, tried.phase.step), form)) return false;
    }
  }
  return rounds_so(tried, std::vector<std::int64_t>(element_count(tried.shape)), form);
}

/// Whole numbers that the rule has under this name, of the quantizer or of its rounding.
std::vector<int> numbers_named(const SiteQuantizer& site, const char* name) {
  std::vector<int> all;
  for (const json::Json* params : {&site.spec().quantizer.params, &site.spec().rounding.params}) {
    if (params->is_object() && params->contains(name) && (*params)[name].is_number_integer()) {
      all.push_back((*params)[name].get<int>());
    }
  }
  return all;
}

/// Bits to try: those of the rule's parameters alone, where it has them.
std::vector<int> random_bits_of(const SiteQuantizer& site) {
  std::vector<int> all = numbers_named(site, "random_bits");
  if (!all.empty()) return all;
  for (int bits = 1; bits <= kMostBits; ++bits) all.push_back(bits);
  return all;
}

/// Sources to try: the counter, and registers whose state a parameter has.
std::vector<std::optional<Lfsr>> sources_of(const SiteQuantizer& site) {
  std::vector<std::optional<Lfsr>> all{std::nullopt};
  for (const int state : numbers_named(site, "state")) {
    if (state < 1 || state > 65535) continue;
    for (const Lfsr::Start start : {Lfsr::Start::kRun, Lfsr::Start::kFixed}) {
      all.emplace_back(Lfsr{static_cast<std::uint16_t>(state), start});
    }
  }
  return all;
}

std::optional<Form> find_form(const Tried& tried, int exponent) {
  for (const auto& lfsr : sources_of(tried.site)) {
    for (const int bits : random_bits_of(tried.site)) {
      if (bits < 1 || bits > (lfsr ? 16 : kMostBits)) continue;
      for (int shift = -kMostRateShift; shift <= kMostRateShift; ++shift) {
        Form form{.op = {}, .exponent = exponent};
        form.op.stream = stream_id(tried.site.context().name);
        form.op.random_bits = bits;
        form.op.lfsr = lfsr;
        form.op.rates = {{0, shift}};
        if (holds(tried, form)) return form;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Stochastic> find_stochastic(const Tried& tried, std::uint64_t epochs) {
  if (tried.site.learns()) return std::nullopt;
  Tensor y;
  tried.site.forward(tensor_of_points({1, -1}, tried.shape, 0, tried.exponent), y, tried.phase);
  const qloom_encoding e = tried.site.encoding();
  if (e.kind != QLOOM_ENCODING_AFFINE || e.grid.offset != nullptr) return std::nullopt;
  const auto exponent = power_of_two(double{e.grid.scale[0]});
  if (!exponent) return std::nullopt;
  Stochastic found{.lfsr = {}, .shifts = {}, .exponent = *exponent};
  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    Tried now = tried;
    now.phase.epoch = epoch;
    const auto form = find_form(now, *exponent);
    if (!form) return std::nullopt;
    const bool is_other = form->op.random_bits != found.random_bits || form->op.lfsr != found.lfsr;
    if (epoch > 0 && is_other) return std::nullopt;
    found.random_bits = form->op.random_bits;
    found.lfsr = form->op.lfsr;
    found.shifts.push_back(form->shift());
  }
  return found;
}

}  // namespace qloom::compile
