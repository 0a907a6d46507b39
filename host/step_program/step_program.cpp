// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/step_program/step_program.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace qloom::step_program {
namespace {

__extension__ using Square = unsigned __int128;  // of 64 bits

constexpr std::array<const char*, 17> kKinds = {
    "conv",        "conv_dx",  "conv_dw",   "dense",          "dense_dx", "dense_dw",
    "map",         "max_pool", "max_place", "subtract_label", "route",    "multiply",
    "significant", "exponent", "normalise", "stochastic",     "update"};
constexpr std::array<const char*, 3> kEach = {"sample", "weights", "step"};
constexpr std::array<const char*, 2> kStarts = {"run", "fixed"};
constexpr std::array<const char*, 3> kSections = {"forward", "backward", "update"};

template <std::size_t N, class Enum>
bool find_in(const std::array<const char*, N>& names, const std::string& name, Enum& value) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) value = static_cast<Enum>(found - names.begin());
  return found != names.end();
}

}  // namespace

int find_tensor(const Program& program, const std::string& name) {
  const auto found = std::find_if(program.tensors.begin(), program.tensors.end(),
                                  [&](const Tensor& tensor) { return tensor.name == name; });
  return found == program.tensors.end() ? -1 : static_cast<int>(found - program.tensors.begin());
}

const char* name_of(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
const char* name_of(Each each) { return kEach[static_cast<std::size_t>(each)]; }
const char* name_of(Section section) { return kSections[static_cast<std::size_t>(section)]; }
const char* name_of(Lfsr::Start start) { return kStarts[static_cast<std::size_t>(start)]; }
bool find(const std::string& name, Kind& kind) { return find_in(kKinds, name, kind); }
bool find(const std::string& name, Each& each) { return find_in(kEach, name, each); }
bool find(const std::string& name, Lfsr::Start& start) { return find_in(kStarts, name, start); }

Traits traits_of(Kind kind) {
  switch (kind) {
    case Kind::kConv:
    case Kind::kConvDx:
      return {.inputs = 2, .has_window = true, .is_product = true};
    case Kind::kConvDw:
      return {.inputs = 2, .has_window = true, .is_product = true, .is_reduction = true};
    case Kind::kDense:
    case Kind::kDenseDx:
      return {.inputs = 2, .is_product = true};
    case Kind::kDenseDw:
      return {.inputs = 2, .is_product = true, .is_reduction = true};
    case Kind::kMaxPool:
    case Kind::kMaxPlace:
      return {.has_window = true};
    case Kind::kRoute:
      return {.inputs = 2, .has_window = true};
    case Kind::kExponent:
      return {.is_reduction = true};
    case Kind::kMultiply:
    case Kind::kNormalise:
    case Kind::kStochastic:
    case Kind::kUpdate:
      return {.inputs = 2};
    case Kind::kMap:
    case Kind::kSubtractLabel:
    case Kind::kSignificant:
      return {};
  }
  return {};
}

bool is_dense(Kind kind) {
  return kind == Kind::kDense || kind == Kind::kDenseDx || kind == Kind::kDenseDw;
}

int exponent_of(std::uint64_t m) {
  const int e =
      static_cast<int>(std::bit_width(m)) - 1;  // 2^e <= m < 2^(e + 1); no m^2 is 2^(2 e + 1)
  return Square{m} * m < Square{2} << 2 * e ? e : e + 1;
}

std::int64_t significant(std::int64_t v, int bits) {
  const auto magnitude = static_cast<std::uint64_t>(v < 0 ? -v : v);
  const int n = std::max(0, static_cast<int>(std::bit_width(magnitude)) - bits);
  return steps::shift_right(v, n, steps::Rounding::kNearestEven) * (std::int64_t{1} << n);
}

std::int64_t largest_stochastic(int shift) {
  std::int64_t down = 0;  // floor(2^shift sqrt 2), bit by bit
  for (int bit = shift; bit >= 0; --bit) {
    const std::int64_t more = down + (std::int64_t{1} << bit);
    if (more * more < std::int64_t{2} << 2 * shift) down = more;
  }
  return down + 1;
}

}  // namespace qloom::step_program
