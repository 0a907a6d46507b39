// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Uniform cells and entropy coding (Choi, El-Khamy, Lee, 2017).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <qloom/grids/shared_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Cells of one width over the whole line, as many as have weights; the value of a cell is the mean
/// of its weights, weighted by their importance h: c = sum h w / sum h.
class UniformEntropy : public SharedValues {
 public:
  explicit UniformEntropy(const Params& params)
      : SharedValues(params), cell_(params.number("/cell")) {}

  void prepare(const qloom_prepare& in) {
    share(in, [&](std::uint64_t, const Group& group) { return cells_of(group); });
  }

 private:
  [[nodiscard]] Shared cells_of(const Group& group) const {
    std::vector<double> cells;
    for (const float v : group.values) cells.push_back(std::nearbyint(double{v} / cell_));
    std::vector<double> used = cells;
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
    if (used.size() > most_centroids()) {
      throw Error(QLOOM_E_INVALID, concat("/cell: ", cell_, " gives ", used.size(),
                                          " cells that have weights, more than the ",
                                          most_centroids(), " of centroids"));
    }
    Shared shared;
    for (const double cell : cells) {
      shared.index.push_back(static_cast<std::size_t>(
          std::lower_bound(used.begin(), used.end(), cell) - used.begin()));
    }
    shared.centroids = means_of(group, shared.index, used.size());
    return shared;
  }

  double cell_;
};

}  // namespace

QLOOM_METHODS(Quantizer<UniformEntropy>)
