// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Stochastic rounding in C: with the words of the counter, or with those of a shift register.
#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/c/training/step_ops.hpp"

namespace qloom::exchange::c {
namespace {

using step_program::Lfsr;
using step_program::Op;

bool starts_anywhere(const Op& op) { return op.lfsr && op.lfsr->start == Lfsr::Start::kRun; }

/// "random_words(block, step, ...", a call of the operation's own stream.
std::string words_call(const Op& op, const char* block) {
  return fmt::format("random_words({}, step, UINT32_C(0x{:08x}), UINT32_C(0x{:08x}), words);",
                     block, op.stream & 0xFFFFFFFFU, op.stream >> 32);
}

/// What stands in front of the loop over the elements.
void declare_numbers(const Op& op, Text& text) {
  if (!op.lfsr || starts_anywhere(op)) text.put("uint32_t words[4] = {0, 0, 0, 0};");
  if (op.lfsr) text.put(fmt::format("uint32_t lfsr = UINT32_C(0x{:04x});", op.lfsr->state));
  text.put(fmt::format("int32_t shift = {};", literal(op.rates[0].shift)));
}

void begin_numbers(const Op& op, Text& text) {
  if (starts_anywhere(op)) {
    text.put(words_call(op, "0"));
    text.put("lfsr = lfsr_after(lfsr, words[0]);");
  } else if (op.lfsr && op.rates.size() == 1) {
    text.put("(void)step;");
  }
}

/// The number of element i, below 2^random_bits; what makes it goes into the loop.
std::string next_number(const Op& op, Text& text) {
  if (op.lfsr) {
    text.put(fmt::format("lfsr = lfsr_on(lfsr, {});", op.random_bits));
    return fmt::format("lfsr & 0x{:x}u", (1U << op.random_bits) - 1U);
  }
  text.put("if (i % 4 == 0) " + words_call(op, "(uint32_t)i / 4"));
  return fmt::format("words[i % 4] >> {}", 32 - op.random_bits);
}

constexpr const char* kRandomWords = R"(/* Philox4x32-10 (Salmon et al., 2011) */
static void random_words(uint32_t block, uint32_t step, uint32_t low, uint32_t high,
                         uint32_t *words) {
  uint32_t c0 = block, c1 = step, c2 = low, c3 = high;
  uint32_t k0 = UINT32_C($low), k1 = UINT32_C($high);
  for (int32_t round = 0; round < 10; ++round) {
    const uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * c0;
    const uint64_t p1 = (uint64_t)UINT32_C(0xCD9E8D57) * c2;
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    c1 = (uint32_t)p1;
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c3 = (uint32_t)p0;
    k0 = (uint32_t)(k0 + UINT32_C(0x9E3779B9));
    k1 = (uint32_t)(k1 + UINT32_C(0xBB67AE85));
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

)";
constexpr const char* kLfsrOn =
    R"(/* n steps of the shift register x^16 + x^14 + x^13 + x^11 + 1, up to eight at a time */
static uint32_t lfsr_on(uint32_t s, int32_t n) {
  for (; n > 8; n -= 8) s = ((s >> 8) | ((s ^ (s >> 2) ^ (s >> 3) ^ (s >> 5)) << 8)) & 0xFFFFu;
  return ((s >> n) | ((s ^ (s >> 2) ^ (s >> 3) ^ (s >> 5)) << (16 - n))) & 0xFFFFu;
}

)";
constexpr const char* kLfsrAfter =
    R"(/* The state n steps after s: x^n modulo the polynomial says which of the next 16 states add up to it. */
static uint32_t lfsr_after(uint32_t s, uint32_t n) {
  uint32_t power = 1, sum = 0;
  for (int32_t bit = 31; bit >= 0; --bit) {
    uint32_t square = 0;
    for (int32_t i = 15; i >= 0; --i) {
      square = ((square << 1) ^ ((square >> 15) * 0x2Du) ^ ((power >> i & 1u) * power)) & 0xFFFFu;
    }
    power = square;
    if ((n >> bit & 1u) != 0) power = ((square << 1) ^ ((square >> 15) * 0x2Du)) & 0xFFFFu;
  }
  for (int32_t i = 0; i < 16; ++i) {
    sum ^= (power >> i & 1u) * s;
    s = lfsr_on(s, 1);
  }
  return sum;
}

)";
constexpr const char* kRoundStochastic =
    R"(/* v * 2^shift; the fraction of its magnitude goes up where the number is below so many of its bits */
static int64_t round_stochastic(int64_t v, int32_t shift, int32_t bits, uint32_t number) {
  const uint64_t m = v < 0 ? (uint64_t)0 - (uint64_t)v : (uint64_t)v;
  const int32_t n = -shift, by = n - bits;
  uint64_t down, rest, limit;
  int64_t y;
  if (shift >= 0) return v * ((int64_t)1 << shift);
  down = n > 63 ? 0 : m >> n;
  rest = n > 63 ? m : m & (((uint64_t)1 << n) - 1);
  limit = by > 63 ? 0 : by >= 0 ? rest >> by : rest << -by;
  y = (int64_t)down + (number < limit ? 1 : 0);
  return v < 0 ? -y : y;
}

)";

}  // namespace

void print_step_stochastic(const StepPrinting& p) {
  const Op& op = p.op();
  Text text;
  text.open(step_head(p, ", uint32_t step"));
  declare_numbers(op, text);
  begin_numbers(op, text);
  for (std::size_t i = 1; i < op.rates.size(); ++i) {
    text.put(
        fmt::format("if (step >= {}u) shift = {};", op.rates[i].step, literal(op.rates[i].shift)));
  }
  text.put("shift -= b;");
  text.loop("i", p.tensor(op.inputs[0]).size());
  const std::string number = next_number(op, text);
  text.put(fmt::format("y[i] = ({})round_stochastic(a[i], shift, {}, {});",
                       p.type(op.output).text(), op.random_bits, number));
  text.close(2);
  p.source.functions += text.all() + "\n";
}

std::string random_helpers(const step_program::Program& program) {
  bool has_any = false, has_words = false, has_lfsr = false, has_start = false;
  for (const Op& op : program.ops) {
    if (op.kind != step_program::Kind::kStochastic) continue;
    has_any = true;
    has_words = has_words || !op.lfsr || starts_anywhere(op);
    has_lfsr = has_lfsr || op.lfsr;
    has_start = has_start || starts_anywhere(op);
  }
  std::string words = has_words ? kRandomWords : "";
  if (has_words) {
    words.replace(words.find("$low"), 4, fmt::format("0x{:08x}", program.seed & 0xFFFFFFFFU));
    words.replace(words.find("$high"), 5, fmt::format("0x{:08x}", program.seed >> 32));
  }
  return words + (has_lfsr ? kLfsrOn : "") + (has_start ? kLfsrAfter : "") +
         (has_any ? kRoundStochastic : "");
}

}  // namespace qloom::exchange::c
