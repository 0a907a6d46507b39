// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Network quantization of all layers together (Choi, El-Khamy, Lee, 2017).
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <qloom/chosen_layers.hpp>
#include <qloom/grids/k_means.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

/// A number with all the bits of its float.
std::string text_of(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", double{value});
  return text;
}

/// When the stage is over: weights, and importance, of all layers -> one codebook -> one rule.
class GlobalCodebook {
 public:
  static constexpr std::uint32_t kCaps = 1U << QLOOM_EVENT_STAGE | 1U << QLOOM_EVENT_FINALIZE;

  explicit GlobalCodebook(const Params& params)
      : layers_(params),
        stage_(static_cast<std::uint64_t>(params.integer("/stage"))),
        centroids_(static_cast<std::size_t>(params.integer("/centroids"))),
        max_iterations_(params.integer("/max_iterations")),
        keeps_zeros_(params.text("/zeros") == "keep"),
        importance_(params.text("/importance")) {}

  void on(const Run& run, const qloom_event& event) {
    // The next stage begins, or none that trains is left.
    const bool is_over = event.event == QLOOM_EVENT_FINALIZE || event.stage > stage_;
    if (!is_over || is_done_ != 0) return;
    is_done_ = 1;
    const Gathered all = gather(run);
    const Clusters found = k_means(SortedGroup(all.values, all.weights), centroids_, Start::kLinear,
                                   0, 0, max_iterations_);
    std::string levels = all.has_zeros ? "0" : "";
    for (const double c : found.centroids) {
      levels += (levels.empty() ? "" : ", ") + text_of(static_cast<float>(c));
    }
    run.add_rule(concat(R"({"site": "weight", "layers": [)", all.layers,
                        R"(], "quantizer": {"plugin": "given_codebook", "codebook": [)", levels,
                        "]}}"));
  }
  template <class Archive>
  void state(Archive& archive) {
    archive("is_done", is_done_);
  }

 private:
  /// Values of all layers, and how much the square of each one's error counts; no weights: all
  /// alike.
  struct Gathered {
    std::string layers;  // names, as JSON writes a list
    std::vector<float> values;
    std::vector<double> weights;
    bool has_zeros = false;
  };
  [[nodiscard]] Gathered gather(const Run& run) const {
    Gathered all;
    for (const RunTensor& t : layers_.weights(run)) {
      all.layers += concat(all.layers.empty() ? "" : ", ", R"({"name": ")", t.layer, "\"}");
      const float* const importance = importance_of(run, t);
      for (std::uint64_t i = 0; i < t.n; ++i) {
        if (keeps_zeros_ && t.value[i] == 0.0F) {
          all.has_zeros = true;
          continue;
        }
        all.values.push_back(t.value[i]);
        if (importance == nullptr) continue;
        const double h = importance[i];
        all.weights.push_back(importance_ == "adam" ? std::sqrt(h) : h);
      }
    }
    return all;
  }
  [[nodiscard]] const float* importance_of(const Run& run, const RunTensor& t) const {
    if (importance_ == "ones") return nullptr;
    const float* const found = importance_ == "adam" ? run.moment(t.index, "second_moment")
                                                     : run.control(t.index).importance;
    if (found != nullptr) return found;
    throw Error(QLOOM_E_INVALID,
                concat("/importance: \"", importance_, "\", and \"", t.layer,
                       importance_ == "adam" ? "\" has no second moment; expected a train stage "
                                               "with the optimizer adam before"
                                             : "\" has none; expected a procedure that gives it"));
  }

  ChosenLayers layers_;
  std::uint64_t stage_;
  std::size_t centroids_;
  std::int64_t max_iterations_;
  bool keeps_zeros_;
  std::string importance_;
  std::int32_t is_done_ = 0;
};

}  // namespace

QLOOM_METHODS(Procedure<GlobalCodebook>)
