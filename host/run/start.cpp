// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a run takes from the one that it starts from.
#include <algorithm>

#include "host/run/state.hpp"

namespace qloom::run {
namespace {

/// Calibration aside: the averages are for evaluation, training goes on from the last weights.
bool trains_first(const pipeline::Pipeline& pipeline) {
  const auto first =
      std::find_if(pipeline.stages.begin(), pipeline.stages.end(),
                   [](const pipeline::Stage& stage) { return !stage.type->calibrates(); });
  return first != pipeline.stages.end() && first->type->trains;
}

}  // namespace

void start_from(const Setup& setup, RunState& state, const std::filesystem::path& weights,
                bool takes_state) {
  network::Network& network = *state.network;
  const data::Arrays arrays = data::read_npz(weights);
  data::ArrayReader reader(arrays, weights.string()), sites(arrays, weights.string());
  network.load_structure(reader);
  if (takes_state) {
    results::require_site_arrays(reader, arrays);
    network.sites.recall(sites);
  }
  setup.lower(network, state.done(), {});
  setup.check_stages(placing::known_sites(network), network.graph.model());
  network.load_weights(reader);
  if (takes_state) network.parameters.load_held(reader);
  state.cursor.loss = results::loss_of_file(reader);
  if (takes_state && !trains_first(setup.pipeline)) network::load_shadows(network, reader);
  if (network::has_shadows(network)) state.cursor.averages = Cursor::Averages::kInherited;
  for (const Warning& warning : results::weights_warnings(reader)) state.warnings.add(warning);
}

void drop_inherited_averages(RunState& state) {
  if (state.cursor.averages == Cursor::Averages::kInherited) {
    network::drop_shadows(*state.network);
  }
  state.cursor.averages = Cursor::Averages::kOwn;
}

}  // namespace qloom::run
