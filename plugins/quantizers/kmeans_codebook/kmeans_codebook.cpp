// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Weight sharing of Deep Compression (Han, Mao, Dally, 2016): k-means once, then trained centroids.
#include <cstdint>

#include <qloom/grids/k_means.hpp>
#include <qloom/grids/shared_values.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// Centroids by k-means on the weights of a group.
class KmeansCodebook : public SharedValues {
 public:
  explicit KmeansCodebook(const Params& params)
      : SharedValues(params),
        start_(start_of(params.text("/initial"))),
        seed_(static_cast<std::uint64_t>(params.integer("/random_seed"))),
        max_iterations_(params.integer("/max_iterations")) {}

  void prepare(const qloom_prepare& in) {
    share(in, [&](std::uint64_t number, const Group& group) {
      const Clusters clusters = k_means(SortedGroup(group.values, group.weights), most_centroids(),
                                        start_, seed_, number, max_iterations_);
      const Doubles& centroids = clusters.centroids;
      return Shared{{centroids.begin(), centroids.end()}, clusters.index_of(group.values)};
    });
  }

 private:
  Start start_;
  std::uint64_t seed_;
  std::int64_t max_iterations_;
};

}  // namespace

QLOOM_METHODS(Quantizer<KmeansCodebook>)
