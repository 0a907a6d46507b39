// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Uniform cells and entropy coding (Choi, El-Khamy, Lee, 2017).
#include <cstdint>

#include <xtensor/xindex_view.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xset_operation.hpp>
#include <xtensor/xsort.hpp>

#include <qloom/grids/shared_values.hpp>
#include <qloom/sdk.hpp>
#include <qloom/xtensor.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Cells of one width over the whole line, as many as have weights; the value of a cell is the mean
/// of its weights, weighted by their importance h: c = sum h w / sum h, or 0 of the cell around 0
/// where that is asked for.
class UniformEntropy : public SharedValues {
 public:
  explicit UniformEntropy(const Params& params)
      : SharedValues(params),
        cell_(params.number("/cell")),
        is_zero_exact_(params.text("/zero_cell") == "zero") {}

  void prepare(const qloom_prepare& in) {
    share(in, [&](std::uint64_t, const Group& group) { return cells_of(group); });
  }

 private:
  [[nodiscard]] Shared cells_of(const Group& group) const {
    const Doubles cells = xt::nearbyint(Doubles(view(group.values)) / cell_);
    Doubles used = xt::unique(cells);
    if (is_zero_exact_) used = Doubles(xt::filter(used, xt::not_equal(used, 0.0)));
    if (used.size() > most_centroids()) {
      throw Error(QLOOM_E_INVALID, concat("/cell: ", cell_, " gives ", used.size(),
                                          " cells that have weights, more than the ",
                                          most_centroids(), " of centroids"));
    }
    const auto index = xt::searchsorted(used, cells);
    Shared shared{{}, {index.begin(), index.end()}};
    for (std::size_t i = 0; is_zero_exact_ && i < cells.size(); ++i) {
      if (cells(i) == 0.0) shared.index[i] = zero_index();
    }
    shared.centroids = means_of(group, shared.index, used.size());
    return shared;
  }

  double cell_;
  bool is_zero_exact_;
};

}  // namespace

QLOOM_METHODS(Quantizer<UniformEntropy>)
