// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <vector>

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// The run as a procedure sees it; every function throws Error when the host refuses.
class Run {
 public:
  explicit Run(qloom_run* run) : run_(run) {}

  /// All weights, biases and norm parameters.
  [[nodiscard]] std::vector<qloom_run_tensor> tensors() const {
    return list<qloom_run_tensor>(services.run->tensor);
  }
  [[nodiscard]] std::vector<qloom_run_norm> norms() const {
    return list<qloom_run_norm>(services.run->norm);
  }
  void norm_inference(std::uint64_t index, float* scale, float* shift) const {
    check(services.run->norm_inference(run_, index, scale, shift), "norm_inference");
  }
  void remove_norm(std::uint64_t index) const {
    check(services.run->remove_norm(run_, index), "remove_norm");
  }
  void set_shadow(std::uint64_t index, const float* values) const {
    check(services.run->set_shadow(run_, index, values), "set_shadow");
  }
  void retune_norms(std::uint64_t batches) const {
    check(services.run->retune_norms(run_, batches), "retune_norms");
  }
  /// Logits and their gradient, batch x classes, and the labels; only in QLOOM_EVENT_LOSS.
  struct Logits {
    const float* values = nullptr;
    float* gradient = nullptr;
    const std::int32_t* labels = nullptr;
    std::uint64_t batch = 0, classes = 0;
  };
  [[nodiscard]] Logits logits() const {
    Logits l;
    check(services.run->logits(run_, &l.values, &l.gradient, &l.labels, &l.batch, &l.classes),
          "logits");
    return l;
  }
  void report(const char* key, double value) const {
    check(services.run->report(run_, key, value), "report");
  }
  void random_uniform(const char* stream, float* out, std::uint64_t n) const {
    check(services.run->random_uniform(run_, stream, out, n), "random_uniform");
  }
  void scale_learning_rate(double factor) const {
    check(services.run->scale_learning_rate(run_, factor), "scale_learning_rate");
  }
  [[nodiscard]] double learning_rate() const { return schedule().first; }
  [[nodiscard]] std::uint64_t steps_per_epoch() const { return schedule().second; }

 private:
  template <class Item, class Get>
  std::vector<Item> list(Get get) const {
    std::vector<Item> items;
    for (std::uint64_t i = 0;; ++i) {
      Item item{};
      item.struct_size = sizeof(Item);
      if (get(run_, i, &item) != QLOOM_OK) return items;
      items.push_back(item);
    }
  }
  [[nodiscard]] std::pair<double, std::uint64_t> schedule() const {
    double rate = 0;
    std::uint64_t steps = 0;
    check(services.run->schedule(run_, &rate, &steps), "schedule");
    return {rate, steps};
  }
  static void check(qloom_status status, const char* what) {
    if (status != QLOOM_OK) {
      throw Error(status, concat("the host refused ", what, " with status ", status));
    }
  }
  qloom_run* run_;
};

/// Procedure from a class T with
///   explicit T(const Params&);
///   void on(Run&, const qloom_event&);
///   static constexpr uint32_t kCaps;   // sum of 1 << QLOOM_EVENT_* it wants
///   template <class Archive> void state(Archive&);   // optional
template <class T>
struct Procedure {
  static constexpr const char* kKind = "qloom.procedure/1";

  static qloom_status on(void* self, qloom_run* run, const qloom_event* event,
                         qloom_error* error) noexcept {
    return guarded(error, [&] {
      Run view(run);
      detail::as<T>(self).on(view, *event);
    });
  }
  static constexpr qloom_procedure kTable{sizeof(qloom_procedure), detail::caps<T>(), &on};
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    return detail::Base<T>::create(params, site, &kTable, out, error);
  }
};

}  // namespace qloom::sdk
