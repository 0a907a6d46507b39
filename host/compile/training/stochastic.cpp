// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Finds out of a quantizer that rounds at random how many bits of its words it uses, and its rate.
#include <algorithm>
#include <cmath>

#include "host/compile/training/probe.hpp"
#include "host/step_program/execute.hpp"
#include "host/tensor/random.hpp"

namespace qloom::compile {
namespace {

constexpr int kTriedExponent = 38;  // exponent of the largest magnitude that is tried
constexpr int kMostShift = 12;      // of a rate
constexpr int kMostBits = 24;       // what float32 has of a fraction

/// Values whose fraction lies just above or just below the element's word, as so many bits of the
/// word see it, for a rate of 2^shift: with one bit more or less some would be rounded otherwise.
std::vector<std::int64_t> sharp_values(const Tried& tried, int shift, int random_bits) {
  const SiteQuantizer& site = tried.site;
  const std::uint64_t stream = stream_id(site.context().name);
  const int n = kTriedExponent - shift;  // bits of the fraction
  const std::int64_t most = std::int64_t{1} << kTriedExponent;
  std::vector<std::int64_t> v(element_count(tried.shape));
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::uint32_t word = random_word(site.context().seed, stream, tried.phase.step, i);
    const std::uint64_t head = (word >> (32 - random_bits)) + i % 2;
    const std::uint64_t more = i % 4 < 2 ? std::uint64_t{1} << (n - random_bits - 1) : 0;
    const std::int64_t value =
        std::min(static_cast<std::int64_t>((head << (n - random_bits)) + more), most);
    v[i] = step_program::significant(i % 3 == 0 ? -value : value, kMostBits);
  }
  v[0] = most;
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
    v[i] = step_program::significant(word >> 63 != 0 ? -value : value, kMostBits);
    v[i] = std::clamp(v[i], -most, most);
  }
  v[v.size() / 2] = most;
  return v;
}

struct Form {
  int shift, random_bits, exponent;
};

/// Does the quantizer round these values as the form says?
bool rounds_so(const Tried& tried, const std::vector<std::int64_t>& v, const Form& form) {
  Tensor y;
  tried.site.forward(tensor_of_points(v, tried.shape, 0, tried.exponent), y, tried.phase);
  std::uint64_t most = 0;
  for (const std::int64_t value : v) {
    most = std::max(most, static_cast<std::uint64_t>(value < 0 ? -value : value));
  }
  const int e = most == 0 ? 0 : step_program::exponent_of(most);
  const sites::SiteContext& context = tried.site.context();
  const std::uint64_t stream = stream_id(context.name);
  for (std::size_t i = 0; i < v.size(); ++i) {
    const std::uint32_t word = random_word(context.seed, stream, tried.phase.step, i);
    const std::int64_t expected =
        step_program::round_stochastic(v[i], form.shift - e, form.random_bits, word);
    if (std::ldexp(double{y[i]}, -form.exponent) != static_cast<double>(expected)) return false;
  }
  return true;
}

/// The form holds at several steps, for sharp values, for all magnitudes and for zeros.
bool holds(Tried tried, const Form& form) {
  if (kTriedExponent - form.shift - form.random_bits < 1) return false;
  for (const std::uint64_t step : {tried.phase.step, tried.phase.step + 77}) {
    tried.phase.step = step;
    if (!rounds_so(tried, sharp_values(tried, form.shift, form.random_bits), form)) return false;
  }
  for (int e = 0; e <= 34; ++e) {
    const auto root = static_cast<std::int64_t>(std::ldexp(std::sqrt(2.0), e));
    for (const std::int64_t largest : {std::int64_t{1} << e, root, root + 1}) {
      const std::int64_t most = step_program::significant(largest, kMostBits);
      if (!rounds_so(tried, values_below(tried, most, static_cast<std::uint64_t>(e)), form)) {
        return false;
      }
    }
  }
  return rounds_so(tried, std::vector<std::int64_t>(element_count(tried.shape)), form);
}

/// Bits to try: those of the rule's parameter alone, where it has one.
std::vector<int> random_bits_of(const SiteQuantizer& site) {
  const json::Json& params = site.spec().quantizer.params;
  if (params.contains("random_bits") && params["random_bits"].is_number_integer()) {
    return {params["random_bits"].get<int>()};
  }
  std::vector<int> all;
  for (int bits = 1; bits <= kMostBits; ++bits) all.push_back(bits);
  return all;
}

std::optional<Form> find_form(const Tried& tried, int exponent) {
  for (const int bits : random_bits_of(tried.site)) {
    if (bits < 1 || bits > kMostBits) continue;
    for (int shift = -kMostShift; shift <= kMostShift; ++shift) {
      const Form form{shift, bits, exponent};
      if (holds(tried, form)) return form;
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
  Stochastic found{.shifts = {}, .exponent = *exponent};
  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    Tried now = tried;
    now.phase.epoch = epoch;
    const auto form = find_form(now, *exponent);
    if (!form || (epoch > 0 && form->random_bits != found.random_bits)) return std::nullopt;
    found.random_bits = form->random_bits;
    found.shifts.push_back(form->shift);
  }
  return found;
}

}  // namespace qloom::compile
