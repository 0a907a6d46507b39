// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A run small enough to be written down, for procedures under check: two dense layers, each with a
// norm, whose gradients are a function of the seed. What a procedure may write to lies beside
// forbidden pages.
#pragma once

#include <algorithm>
#include <cmath>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "host/check/kinds/record.hpp"
#include "host/check/watch/guarded.hpp"
#include "host/tensor/random.hpp"

namespace qloom::check {

inline constexpr std::uint64_t kSteps = 3;  // of an epoch, which is one round
inline constexpr std::uint64_t kBatch = 5, kClasses = 4;
inline constexpr float kRate = 1.0F;  // the one rate that every recipe takes

struct Parameter {
  Parameter(std::uint32_t role_, std::string layer_, std::uint64_t rows_, std::uint64_t fan_in_)
      : role(role_),
        layer(std::move(layer_)),
        n(rows_ * std::max<std::uint64_t>(1, fan_in_)),
        fan_in(fan_in_),
        rows(rows_),
        value(n, Side::kAfter),
        gradient(n, Side::kAfter) {}
  std::uint32_t role;
  std::string layer;
  std::uint64_t n, fan_in, rows;
  Guarded<float> value, gradient;
  std::vector<float> quantized, shadow, velocity;
  std::vector<std::uint8_t> held;
  std::vector<float> importance;
  double rate_factor = 1, decay_factor = 1, storage_bits = -1;
};
struct NormOfRun {
  std::string layer, producer;
  std::uint64_t channels;
};

/// More than twelve functions: those of the services of a run, and the round itself.
class SmallRun {
 public:
  SmallRun(std::uint64_t seed, std::uint64_t round) : seed_(seed), round_(round) {
    for (const auto& [layer, rows, fan_in] : {std::tuple{"first", 12U, 10U}, {"last", 4U, 12U}}) {
      add(QLOOM_ROLE_WEIGHT, layer, rows, fan_in);
      add(QLOOM_ROLE_BIAS, layer, rows, 0);
    }
    for (const auto& [layer, rows] : {std::pair{"first_norm", 12U}, {"last_norm", 4U}}) {
      add(QLOOM_ROLE_GAMMA, layer, rows, 0);
      add(QLOOM_ROLE_BETA, layer, rows, 0);
    }
    norms_ = {{"first_norm", "first", 12}, {"last_norm", "", 4}};
    for (std::uint64_t i = 0; i < kBatch; ++i) labels_.push_back(static_cast<int>(i % kClasses));
  }

  /// All events of the round that the procedure wants, with what the host does in between.
  [[nodiscard]] std::string epoch(Context& context, registry::Instance& instance);
  [[nodiscard]] Record take() const;

  // The functions of "qloom.run/1".
  qloom_status tensor(std::uint64_t index, qloom_run_tensor& out);
  qloom_status norm(std::uint64_t index, qloom_run_norm& out) const;
  qloom_status norm_inference(std::uint64_t index, float* scale, float* shift) const;
  qloom_status remove_norm(std::uint64_t index);
  qloom_status set_shadow(std::uint64_t index, const float* values);
  qloom_status retune_norms(std::uint64_t) { return ++retunings_, QLOOM_OK; }
  qloom_status logits(const float** values, float** gradient, const std::int32_t** labels);
  qloom_status schedule(double& rate, std::uint64_t& steps) const {
    rate = double{rate_};
    steps = kSteps;
    return QLOOM_OK;
  }
  qloom_status scale_rate(double factor) {
    rate_ *= static_cast<float>(factor);
    return QLOOM_OK;
  }
  qloom_status report(const char* key, double value) {
    if (key == nullptr || !std::isfinite(value)) return QLOOM_E_INVALID;
    reports_[key].push_back(value);
    return QLOOM_OK;
  }
  qloom_status again() { return may_go_on_ ? QLOOM_OK : QLOOM_E_ORDER; }
  qloom_status report_table(const char* key, const char* text) {
    tables_[key] = text;
    return QLOOM_OK;
  }
  qloom_status site(std::uint64_t index, qloom_run_site& out) const;
  qloom_status add_rule(const char* text) {
    rules_.emplace_back(text);
    return QLOOM_OK;
  }
  qloom_status random(const char* stream, float* out, std::uint64_t n) const {
    for (std::uint64_t i = 0; i < n; ++i) {
      out[i] = qloom::uniform(random_word(seed_, stream_id(stream), step_, i));
    }
    return QLOOM_OK;
  }

  // The functions of "qloom.tensors/1".
  [[nodiscard]] Parameter* find(std::uint64_t index);
  [[nodiscard]] bool has_logits() const { return has_logits_; }

 private:
  void add(std::uint32_t role, const char* layer, std::uint64_t rows, std::uint64_t fan_in) {
    Parameter& p = parameters_.emplace_back(role, layer, rows, fan_in);
    fill(p.value, 1.0F);
    fill(p.gradient, 0.0F);
    p.quantized.assign(p.value.data(), p.value.data() + p.n);
  }
  void fill(Guarded<float>& values, float size) {
    ++fills_;
    const Tensor x = gaussian({static_cast<std::int64_t>(values.size())},
                              seed_ + 100 * round_ + fills_, size * factor_of(round_));
    std::copy(x.begin(), x.end(), values.data());
  }
  /// Empty, or the refusal.
  std::string emit(Context& context, registry::Instance& instance, std::uint32_t event);
  void update();

  std::uint64_t seed_, round_, fills_ = 0, step_ = 0, epoch_ = 0;
  float rate_ = kRate;
  bool is_training_ = false, has_logits_ = false, may_go_on_ = false;
  std::list<Parameter> parameters_;
  std::vector<NormOfRun> norms_;
  std::vector<std::int32_t> labels_;
  Guarded<float> values_{kBatch * kClasses, Side::kAfter}, slopes_{kBatch * kClasses, Side::kAfter};
  std::map<std::string, std::vector<double>> reports_;
  std::map<std::string, std::string> tables_;
  std::vector<std::string> rules_;
  std::int64_t retunings_ = 0;
};

/// What contractions see of a value: sixteenths.
[[nodiscard]] inline float seen(float value) { return std::nearbyint(value * 16.0F) / 16.0F; }

}  // namespace qloom::check
