// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A codebook that is given: levels which one search has found for several tensors.
#include <algorithm>
#include <vector>

#include <qloom/grids/levels.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Every group has the same levels, in ascending order; dx = dy.
class GivenCodebook : public Levels {
 public:
  explicit GivenCodebook(const Params& params) {
    for (std::uint64_t j = 0; j < params.size("/codebook"); ++j) {
      const auto level = static_cast<float>(params.number(concat("/codebook/", j).c_str()));
      codebook_.push_back(level + 0.0F);  // a zero is +0
    }
    std::sort(codebook_.begin(), codebook_.end());
    codebook_.erase(std::unique(codebook_.begin(), codebook_.end()), codebook_.end());
    if (codebook_.size() < 2) {
      throw Error(QLOOM_E_INVALID, "/codebook: all levels are the same float32, expected two");
    }
  }

  void prepare(const qloom_prepare& in) {
    begin(in.x.groups, codebook_.size());
    for (std::uint64_t g = 0; g < in.x.groups; ++g) {
      std::copy(codebook_.begin(), codebook_.end(), levels(g));
      for (std::size_t j = 1; j < codebook_.size(); ++j) {
        thresholds(g)[j - 1] = not_above((double{codebook_[j - 1]} + double{codebook_[j]}) / 2.0);
      }
    }
  }

 private:
  std::vector<float> codebook_;
};

}  // namespace

QLOOM_METHODS(Quantizer<GivenCodebook>)
