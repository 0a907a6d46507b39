// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/program.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::program {
namespace {

__extension__ using Wide = __int128;  // holds sums of products whatever they are
using Limits = std::numeric_limits<std::int64_t>;

constexpr std::array<const char*, 9> kKinds = {"conv",     "dense",    "map",    "join",   "concat",
                                               "sum_pool", "max_pool", "argmax", "reshape"};
constexpr std::array<const char*, 3> kOverflows = {"never", "wrap", "saturate"};

template <std::size_t N, class Enum>
bool find_in(const std::array<const char*, N>& names, const std::string& name, Enum& value) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) value = static_cast<Enum>(found - names.begin());
  return found != names.end();
}

std::int64_t clipped(Wide value) {
  return static_cast<std::int64_t>(std::clamp<Wide>(value, Limits::min(), Limits::max()));
}

}  // namespace

Interval Type::values() const {
  if (!is_signed && bits >= 63) return {0, Limits::max()};
  if (!is_signed) return {0, (std::int64_t{1} << bits) - 1};
  const auto high = static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
  return {-high - 1, high};
}

std::string Type::text() const { return fmt::format("{}{}", is_signed ? 's' : 'u', bits); }

Type type_of(Interval values) {
  return {.is_signed = values.lo < 0, .bits = steps::bits_of(values)};
}

int find_tensor(const Program& program, const std::string& name) {
  const auto found = std::find_if(program.tensors.begin(), program.tensors.end(),
                                  [&](const Tensor& tensor) { return tensor.name == name; });
  return found == program.tensors.end() ? -1 : static_cast<int>(found - program.tensors.begin());
}

const char* name_of(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
const char* name_of(Overflow overflow) { return kOverflows[static_cast<std::size_t>(overflow)]; }
bool find(const std::string& name, Kind& kind) { return find_in(kKinds, name, kind); }
bool find(const std::string& name, Overflow& overflow) {
  return find_in(kOverflows, name, overflow);
}

std::vector<std::string> float_operations(const Program& program) {
  std::vector<std::string> names;
  for (const Op& op : program.ops) {
    const bool are_integer =
        std::all_of(op.input_steps.begin(), op.input_steps.end(), steps::is_integer);
    if (!are_integer || !steps::is_integer(op.steps)) names.push_back(op.name);
  }
  return names;
}

void require_integer(const Program& program, const std::string& what) {
  const std::vector<std::string> names = float_operations(program);
  if (names.empty()) return;
  std::string text = fmt::format("{}: {} operation{} in floating point, expected integers alone",
                                 what, names.size(), names.size() == 1 ? " computes" : "s compute");
  for (const std::string& name : names) text += fmt::format("\n  {}: step float_scale", name);
  throw InputError(text);
}

std::vector<Interval> sums_of(const Op& op, Interval codes) {
  std::vector<Interval> sums;
  const auto fan_in = static_cast<std::size_t>(op.window.fan_in());
  for (auto first = op.weights.begin(); first != op.weights.end();) {
    Wide lo = 0, hi = 0;
    for (const auto last = first + static_cast<std::ptrdiff_t>(fan_in); first != last; ++first) {
      const Wide low = Wide{*first} * codes.lo, high = Wide{*first} * codes.hi;
      lo += std::min(low, high);
      hi += std::max(low, high);
    }
    sums.push_back({clipped(lo), clipped(hi)});
  }
  return sums;
}

}  // namespace qloom::program
