// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/encoding_fault.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "host/kernels/float_spec.hpp"

namespace qloom::methods {
namespace {

constexpr std::uint32_t kWidestCode = 32, kMostBasesOfCode = 31;
constexpr std::uint64_t kLongestVector = std::uint64_t{1} << 24;
constexpr std::uint32_t kKnownFlags = QLOOM_ENCODING_SHARED_EXPONENT;
constexpr const char* kPositive = "a finite value above 0";
constexpr const char* kFinite = "a finite value";

bool is_finite_value(float v) { return std::abs(v) <= std::numeric_limits<float>::max(); }
bool is_positive_value(float v) { return v > 0 && v <= std::numeric_limits<float>::max(); }
bool is_power_of_two(float v) {
  int exponent = 0;
  return std::frexp(v, &exponent) == 0.5F;
}

/// The first fault, in the order in which the header names the fields.
class EncodingFault {
 public:
  explicit EncodingFault(const qloom_encoding& e) : e_(e) {}

  std::string find(const EncodedGroups& groups) {
    require(e_.kind <= QLOOM_ENCODING_VECTORS, "kind is {}, which this host does not know",
            e_.kind);
    if (e_.kind == QLOOM_ENCODING_NONE) return fault_;
    require(e_.bits <= kWidestCode, "bits is {}, expected 0 to {}", e_.bits, kWidestCode);
    if (!groups.allow(e_))  // a text is made of a fault alone: a training step takes no memory
      require(false, "groups is {}, expected {}", e_.groups, groups.expected());
    find_in_kind();
    require((e_.flags & ~kKnownFlags) == 0, "flags is {}, expected 0 to {}", e_.flags, kKnownFlags);
    if ((e_.flags & QLOOM_ENCODING_SHARED_EXPONENT) != 0) find_in_shared_exponents();
    find_in_widths();
    find_in_thresholds();
    require(e_.stored_bits >= 0 && std::isfinite(e_.stored_bits),
            "stored_bits is {}, expected 0 or a finite value above it", e_.stored_bits);
    return fault_;
  }

 private:
  template <class... Args>
  void require(bool holds, fmt::format_string<Args...> text, Args&&... args) {
    if (!holds && fault_.empty()) fault_ = fmt::format(text, std::forward<Args>(args)...);
  }

  /// Each of groups x per_group values.
  template <class T, class Holds>
  void require_all(const char* field, const T* values, std::uint64_t per_group,
                   const char* expected, const Holds& holds) {
    const std::uint64_t n = e_.groups * per_group;
    require(values != nullptr || n == 0, "{} is NULL, expected {} values", field, n);
    if (!fault_.empty()) return;
    unsigned broken = 0;  // all of them without a branch: a block of 16 elements is a group too
    for (std::uint64_t i = 0; i < n; ++i) broken |= holds(values[i]) ? 0U : 1U;
    if (broken == 0) return;
    const auto at =
        static_cast<std::uint64_t>(std::find_if_not(values, values + n, holds) - values);
    const std::string place = per_group == 1 ? "" : fmt::format("value {} of ", at % per_group);
    fault_ = fmt::format("{}: {}group {} is {}, expected {}", field, place, at / per_group,
                         values[at], expected);
  }

  void find_in_kind() {
    switch (e_.kind) {
      case QLOOM_ENCODING_AFFINE:
        return find_in_grid();
      case QLOOM_ENCODING_FLOAT:
        return find_in_format();
      case QLOOM_ENCODING_CODEBOOK:
        require_codebook_size();
        return require_all("codebook", e_.codebook, e_.codebook_size, kFinite, is_finite_value);
      case QLOOM_ENCODING_BASES:
        require(e_.bases >= 1 && e_.bases <= kMostBasesOfCode, "bases is {}, expected 1 to {}",
                e_.bases, kMostBasesOfCode);
        require_all("codebook", e_.codebook, e_.bases, kFinite, is_finite_value);
        return find_in_offset();
      case QLOOM_ENCODING_VECTORS:
        return find_in_vectors();
      case QLOOM_ENCODING_NONE:
        break;
    }
  }

  void find_in_grid() {
    const qloom_grid& grid = e_.grid;
    require_all("scale", grid.scale, 1, kPositive, is_positive_value);
    require_all("inv_scale", grid.inv_scale, 1, "a value above 0", [](float v) { return v > 0; });
    find_in_offset();
    const auto any = [](std::int32_t) { return true; };
    require_all("zero_point", grid.zero_point, 1, "", any);
    require_all("code_min", grid.code_min, 1, "", any);
    require_all("code_max", grid.code_max, 1, "", any);
    for (std::uint64_t g = 0; fault_.empty() && g < e_.groups; ++g) {
      require(grid.code_min[g] <= grid.code_max[g],
              "code_max: group {} is {}, expected at least its code_min: {}", g, grid.code_max[g],
              grid.code_min[g]);
    }
  }

  void find_in_offset() {
    if (e_.grid.offset != nullptr)
      require_all("offset", e_.grid.offset, 1, kFinite, is_finite_value);
  }

  void find_in_format() {
    kernels::FloatSpec spec;
    const char* const fault = kernels::make_spec(e_.format, spec);
    require(fault == nullptr, "{}", fault == nullptr ? "" : fault);
    if (e_.grid.scale != nullptr)
      require_all("scale", e_.grid.scale, 1, "a finite value of at least 0",
                  [](float v) { return v >= 0 && is_finite_value(v); });  // stored in 8 bits: 0
  }

  void require_codebook_size() {
    const std::uint64_t most = std::uint64_t{1} << std::min(e_.bits, kWidestCode);
    require(e_.codebook_size >= 1 && e_.codebook_size <= most,
            "codebook_size is {}, expected 1 to {}, the codes of {} bits", e_.codebook_size, most,
            e_.bits);
  }

  /// One table serves all groups.
  void find_in_vectors() {
    require_codebook_size();
    require(e_.vector >= 1 && e_.vector <= kLongestVector, "vector is {}, expected 1 to {}",
            e_.vector, kLongestVector);
    require(e_.vector_inner >= 1, "vector_inner is 0, expected at least 1");
    require(e_.codebook != nullptr, "codebook is NULL, expected {} vectors", e_.codebook_size);
    const std::uint64_t values = fault_.empty() ? e_.codebook_size * e_.vector : 0;
    for (std::uint64_t i = 0; fault_.empty() && i < values; ++i) {
      require(is_finite_value(e_.codebook[i]), "codebook: value {} of vector {} is {}, expected {}",
              i % e_.vector, i / e_.vector, e_.codebook[i], kFinite);
    }
  }

  void find_in_shared_exponents() {
    const bool has_scale = e_.kind == QLOOM_ENCODING_AFFINE || e_.kind == QLOOM_ENCODING_FLOAT;
    require(has_scale && (e_.grid.scale != nullptr || e_.groups == 0),
            "flags has a shared exponent, expected a kind with scales");
    require_all("scale", e_.grid.scale, 1, "a power of two: its exponent is shared",
                is_power_of_two);
  }

  void find_in_widths() {
    if (e_.bits_of_group == nullptr) return;
    const auto widest = static_cast<float>(e_.bits);
    for (std::uint64_t g = 0; fault_.empty() && g < e_.groups; ++g) {
      const float own = e_.bits_of_group[g];
      require(own >= 0 && own <= widest,
              "bits_of_group: group {} has a width of {} bits, expected 0 to {}, that of the "
              "encoding",
              g, own, e_.bits);
    }
  }

  void find_in_thresholds() {
    if (e_.threshold == nullptr || e_.codebook_size == 0) return;
    require(e_.kind == QLOOM_ENCODING_CODEBOOK,
            "threshold is there, expected NULL in an encoding without a codebook");
    require_all("threshold", e_.threshold, e_.codebook_size - 1, "a number",
                [](float v) { return !std::isnan(v); });
  }

  const qloom_encoding& e_;
  std::string fault_;
};

}  // namespace

EncodedGroups::EncodedGroups(const qloom_tensor& geometry, const json::Json& blocks)
    : is_known_(true), count_(geometry.groups) {
  if (geometry.rank == 0) return;
  if (!blocks.is_object() || !blocks.contains("block")) {
    if (count_ == 1) outputs_ = static_cast<std::uint64_t>(geometry.shape[0]);
    return;
  }
  const auto rank = static_cast<std::int64_t>(geometry.rank);
  const auto given = blocks.at("axis").get<std::int64_t>();
  const std::int64_t axis = given < 0 ? given + rank : given;
  if (axis < 0 || axis >= rank) return;  // prepare() refuses it
  const auto length = static_cast<std::uint64_t>(geometry.shape[axis]);
  const auto block = blocks.at("block").get<std::uint64_t>();
  count_ = length == 0 ? 0 : geometry.n / length * ((length + block - 1) / block);
}

bool EncodedGroups::allow(const qloom_encoding& e) const {
  const bool has_no_tables = e.kind == QLOOM_ENCODING_VECTORS ||
                             (e.kind == QLOOM_ENCODING_FLOAT && e.grid.scale == nullptr);
  return !is_known_ || e.groups == count_ || (outputs_ != 0 && e.groups == outputs_) ||
         (has_no_tables && e.groups == 1);
}

std::string EncodedGroups::expected() const {
  if (outputs_ != 0 && outputs_ != count_) {
    return fmt::format("{}, that of the tensor, or {} of its first axis", count_, outputs_);
  }
  return fmt::format("{}, those of the tensor", count_);
}

std::string fault_of(const qloom_encoding& e, const EncodedGroups& groups) {
  return EncodingFault(e).find(groups);
}

}  // namespace qloom::methods
