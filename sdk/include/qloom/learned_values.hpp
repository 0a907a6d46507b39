// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What quantizers with learned values share.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <qloom/support.hpp>

namespace qloom::sdk {

/// kCount learned numbers per group, each under its name: empty until the first tensor, when the
/// derived class fills them. learned() and state() come from here.
template <std::size_t kCount>
class LearnedValues {
 public:
  bool learned(std::uint32_t index, qloom_learned& out) {
    if (index >= trained_) return false;
    out.name = names_[index];
    out.value = learned_[index].data();
    out.count = learned_[index].size();
    out.rate_factor = rate_factor_;
    out.decay_factor = decay_factor_;
    return true;
  }
  template <class Archive>
  void state(Archive& archive) {
    for (std::size_t i = 0; i < kCount; ++i) archive(names_[i], learned_[i]);
    for (std::size_t i = 1; i < kCount; ++i) {
      if (learned_[i].size() == learned_[0].size()) continue;
      throw Error(QLOOM_E_STATE, concat("state \"", names_[i], "\" has ", learned_[i].size(),
                                        " values, \"", names_[0], "\" ", learned_[0].size()));
    }
  }

 protected:
  /// The factors multiply the optimizer's rate and weight decay.
  explicit LearnedValues(std::array<const char*, kCount> names, double rate_factor,
                         double decay_factor = 0.0)
      : names_(names), rate_factor_(rate_factor), decay_factor_(decay_factor) {}

  [[nodiscard]] bool is_first_tensor() const noexcept { return learned_[0].empty(); }
  void require_groups(const qloom_tensor& x) const {
    if (learned_[0].size() == x.groups) return;
    throw Error(QLOOM_E_INVALID, concat("the tensor has ", x.groups, " groups, \"", names_[0],
                                        "\" was learned for ", learned_[0].size()));
  }
  /// Value `index` of every group is at least `least` after a step of the optimizer.
  void keep_finite_and_above(std::size_t index, float least) {
    for (float& value : learned_[index]) {
      if (!std::isfinite(value)) {
        throw Error(QLOOM_E_NUMERIC,
                    concat(names_[index], " is ", value, ", expected a finite value"));
      }
      value = std::max(value, least);
    }
  }

  std::array<std::vector<float>, kCount> learned_;
  std::uint32_t trained_ = kCount;  ///< those before are trained

 private:
  std::array<const char*, kCount> names_;
  double rate_factor_, decay_factor_;
};

/// Errors unless the first tensor was given (QLOOM_QUANTIZER_WANTS_FIRST_TENSOR) and is finite.
inline void require_first_tensor(const qloom_tensor& x) {
  if (x.data == nullptr) throw Error(QLOOM_E_ORDER, "the first tensor was not given");
  require_finite(x);
}

}  // namespace qloom::sdk
