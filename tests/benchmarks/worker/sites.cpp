// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantize node as the network has it: quantizer, range estimator and rounding mode, each from
// its own library.
#include <memory>

#include "host/sites/site_quantizer.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

struct Site {
  sites::SiteQuantizer quantizer;
  Tensor x, y, dy, dx;
  sites::Phase training;

  explicit Site(const Json& params)
      : quantizer(plugins(), sites::resolve_quantizer(plugins(), params.at("rule"), "benchmark"),
                  {.name = "activation/benchmark",
                   .seed = 1,
                   .channel_axis = params.value("channel_axis", -1),
                   .has_batch_axis = params.value("has_batch_axis", false),
                   .tracks_range = params.value("tracks_range", false)}),
        x(read_array(params)),
        y(x.shape()) {
    training.training = true;
    training.learning_rate = 0.01;
  }
  [[nodiscard]] double size() const { return static_cast<double>(x.size()); }
};

/// "evaluate": the ranges are known and stand still.
Case forward(const Json& params) {
  auto site = std::make_shared<Site>(params);
  site->quantizer.forward(site->x, site->y, site->training);
  sites::Phase phase = site->training;
  phase.training = !params.value("evaluate", false);
  return {[site, phase] { site->quantizer.forward(site->x, site->y, phase); }, site->size()};
}

Case backward(const Json& params) {
  auto site = std::make_shared<Site>(params);
  site->dy = read_array(params, "gradient");
  site->dx.resize(site->x.shape());
  site->quantizer.forward(site->x, site->y, site->training);
  return {[site] { site->quantizer.backward(site->x, site->dy, site->dx); }, site->size()};
}

/// One calibration of the range estimator on one batch: all its passes.
Case observe(const Json& params) {
  Json tracking = params;
  tracking["tracks_range"] = true;
  auto site = std::make_shared<Site>(tracking);
  const auto run = [site] {
    for (std::uint32_t pass = 0; pass < site->quantizer.passes(); ++pass) {
      site->quantizer.begin_pass(pass);
      site->quantizer.observe(site->x);
      site->quantizer.end_pass(pass);
    }
  };
  return {run, site->size()};
}

}  // namespace

void add_sites(Cases& cases) {
  cases["site_forward"] = forward;
  cases["site_backward"] = backward;
  cases["observe"] = observe;
}

}  // namespace qloom::bench
