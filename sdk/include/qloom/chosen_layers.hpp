// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The weights that a procedure acts on: the parameter "layers" of the vocabulary.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <qloom/kinds/procedure.hpp>

namespace qloom::sdk {

/// All contractions, or those that are named.
class ChosenLayers {
 public:
  explicit ChosenLayers(const Params& params) {
    if (!params.has("/layers/0")) return;
    for (std::uint64_t i = 0; i < params.size("/layers"); ++i) {
      names_.push_back(params.text(concat("/layers/", i).c_str()));
    }
  }
  /// errors: QLOOM_E_INVALID for a name that no contraction has
  [[nodiscard]] std::vector<RunTensor> weights(const Run& run) const {
    std::vector<RunTensor> weights;
    for (const RunTensor& t : run.tensors()) {
      if (t.role == QLOOM_ROLE_WEIGHT && has(t.layer)) weights.push_back(t);
    }
    if (names_.empty() || weights.size() == names_.size()) return weights;
    for (const std::string& name : names_) {
      if (std::none_of(weights.begin(), weights.end(),
                       [&](const RunTensor& t) { return name == t.layer; })) {
        throw Error(QLOOM_E_INVALID,
                    concat("/layers: no layer with weights is called \"", name, "\""));
      }
    }
    return weights;
  }

 private:
  [[nodiscard]] bool has(const char* layer) const {
    return names_.empty() || std::find(names_.begin(), names_.end(), layer) != names_.end();
  }

  std::vector<std::string> names_;  // none: all
};

}  // namespace qloom::sdk
