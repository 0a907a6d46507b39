// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <vector>

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

/// A stored tensor with its place in Run::tensors().
struct RunTensor : qloom_run_tensor {
  std::uint64_t index = 0;
};

/// The run as a procedure sees it; every function throws Error when the host refuses. `index`:
/// place in tensors(). More than twelve functions: those of the services of a run.
class Run {
 public:
  explicit Run(qloom_run* run) : run_(run) {}

  /// All weights, biases and norm parameters.
  [[nodiscard]] std::vector<RunTensor> tensors() const {
    std::vector<RunTensor> all;
    for (const qloom_run_tensor& t : list<qloom_run_tensor>(services.run->tensor)) {
      all.push_back({t, all.size()});
    }
    return all;
  }
  /// Quantizers that rules have placed.
  [[nodiscard]] std::vector<qloom_run_site> sites() const {
    return list<qloom_run_site>(services.run->site);
  }
  /// One more rule of the pipeline, JSON text, behind all others and in force at once.
  void add_rule(const std::string& json) const {
    qloom_error error = empty_error();
    check(services.run->add_rule(run_, json.c_str(), &error), "add_rule", error);
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
  /// In QLOOM_EVENT_AFTER_STAGE: one more round of the stage.
  void again() const { check(services.run->again(run_), "again"); }
  /// A table for the report as JSON, see abi.h.
  void report_table(const char* key, const std::string& json) const {
    qloom_error error = empty_error();
    check(services.run->report_table(run_, key, json.c_str(), &error), "report_table", error);
  }

  /// What the optimizer and quantizers are told of tensor `index`.
  [[nodiscard]] qloom_tensor_control control(std::uint64_t index) const {
    qloom_tensor_control c{};
    c.struct_size = sizeof c;
    check(services.tensors->get(run_, index, &c), "get");
    return c;
  }
  /// Those elements keep their bits from now on whose flag is 1; no other.
  void hold(std::uint64_t index, const std::vector<std::uint8_t>& held) const {
    qloom_tensor_control c = control_of(QLOOM_CONTROL_HELD);
    c.held = held.empty() ? nullptr : held.data();
    set(index, c);
  }
  void set_factors(std::uint64_t index, double rate, double decay) const {
    qloom_tensor_control c = control_of(QLOOM_CONTROL_FACTORS);
    c.rate_factor = rate;
    c.decay_factor = decay;
    set(index, c);
  }
  /// Weight of each element's squared error.
  void set_importance(std::uint64_t index, const std::vector<float>& importance) const {
    qloom_tensor_control c = control_of(QLOOM_CONTROL_IMPORTANCE);
    c.importance = importance.empty() ? nullptr : importance.data();
    set(index, c);
  }
  /// Size of the tensor with its tables. Unit: bits.
  void set_storage(std::uint64_t index, double bits) const {
    qloom_tensor_control c = control_of(QLOOM_CONTROL_STORAGE);
    c.storage_bits = bits;
    set(index, c);
  }
  /// The optimizer's array "velocity" or "second_moment"; null while it has none such.
  [[nodiscard]] float* moment(std::uint64_t index, const char* name) const {
    float* values = nullptr;
    const qloom_status status = services.tensors->moment(run_, index, name, &values);
    if (status != QLOOM_E_UNSUPPORTED) check(status, "moment");
    return values;
  }
  /// As the contraction last saw it; the stored values where no rule acts.
  [[nodiscard]] const float* quantized(std::uint64_t index) const {
    const float* values = nullptr;
    check(services.tensors->quantized(run_, index, &values), "quantized");
    return values;
  }
  /// What evaluation uses in its place; null: none.
  [[nodiscard]] float* shadow(std::uint64_t index) const {
    float* values = nullptr;
    check(services.tensors->shadow(run_, index, &values), "shadow");
    return values;
  }
  /// y = the tensor's rule on x, as evaluation applies it; false without a rule.
  [[nodiscard]] bool quantize(std::uint64_t index, const float* x, float* y) const {
    qloom_error error = empty_error();
    const qloom_status status = services.tensors->quantize(run_, index, x, y, &error);
    if (status == QLOOM_E_UNSUPPORTED) return false;
    check(status, "quantize", error);
    return true;
  }
  /// Codes of the stored values; kind QLOOM_ENCODING_NONE without a rule or codes.
  struct Codes {
    std::vector<std::int32_t> codes;
    qloom_encoding encoding{};
  };
  [[nodiscard]] Codes encode(std::uint64_t index, std::uint64_t n) const {
    Codes out{std::vector<std::int32_t>(n), {}};
    out.encoding.struct_size = sizeof out.encoding;
    qloom_error error = empty_error();
    const qloom_status status =
        services.tensors->encode(run_, index, out.codes.data(), &out.encoding, &error);
    if (status == QLOOM_E_UNSUPPORTED) {
      out.encoding.kind = QLOOM_ENCODING_NONE;
    } else {
      check(status, "encode", error);
    }
    return out;
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
  static qloom_error empty_error() {
    qloom_error error{};
    error.struct_size = sizeof error;
    return error;
  }
  static void check(qloom_status status, const char* what, const qloom_error& error = {}) {
    if (status == QLOOM_OK) return;
    throw Error(status, concat("the host refused ", what, " with status ", status,
                               error.message[0] == '\0' ? "" : ": ", error.message));
  }
  static qloom_tensor_control control_of(std::uint32_t fields) {
    qloom_tensor_control c{};
    c.struct_size = sizeof c;
    c.fields = fields;
    return c;
  }
  void set(std::uint64_t index, const qloom_tensor_control& control) const {
    qloom_error error = empty_error();
    check(services.tensors->set(run_, index, &control, &error), "set", error);
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
