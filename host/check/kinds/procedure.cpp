// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A procedure called as the host calls it, on a small run (small_run.hpp).
#include <algorithm>
#include <cmath>
#include <string>

#include "host/check/kinds/record.hpp"
#include "host/check/kinds/small_run.hpp"
#include "host/registry/registry.hpp"

namespace qloom::check {
namespace {

SmallRun& run_of(qloom_run* run) { return *reinterpret_cast<SmallRun*>(run); }

constexpr qloom_run_api kRun{
    .struct_size = sizeof(qloom_run_api),
    .reserved = 0,
    .tensor = [](qloom_run* r, std::uint64_t i,
                 qloom_run_tensor* out) noexcept { return run_of(r).tensor(i, *out); },
    .norm = [](qloom_run* r, std::uint64_t i,
               qloom_run_norm* out) noexcept { return run_of(r).norm(i, *out); },
    .norm_inference =
        [](qloom_run* r, std::uint64_t i, float* scale, float* shift) noexcept {
          return run_of(r).norm_inference(i, scale, shift);
        },
    .remove_norm = [](qloom_run* r, std::uint64_t i) noexcept { return run_of(r).remove_norm(i); },
    .set_shadow = [](qloom_run* r, std::uint64_t i,
                     const float* values) noexcept { return run_of(r).set_shadow(i, values); },
    .retune_norms = [](qloom_run* r,
                       std::uint64_t batches) noexcept { return run_of(r).retune_norms(batches); },
    .logits =
        [](qloom_run* r, const float** values, float** gradient, const std::int32_t** labels,
           std::uint64_t* batch, std::uint64_t* classes) noexcept {
          *batch = kBatch;
          *classes = kClasses;
          return run_of(r).logits(values, gradient, labels);
        },
    .schedule = [](qloom_run* r, double* rate,
                   std::uint64_t* steps) noexcept { return run_of(r).schedule(*rate, *steps); },
    .scale_learning_rate = [](qloom_run* r,
                              double factor) noexcept { return run_of(r).scale_rate(factor); },
    .report = [](qloom_run* r, const char* key,
                 double value) noexcept { return run_of(r).report(key, value); },
    .random_uniform = [](qloom_run* r, const char* stream, float* out,
                         std::uint64_t n) noexcept { return run_of(r).random(stream, out, n); },
    .again = [](qloom_run* r) noexcept { return run_of(r).again(); },
    .report_table = [](qloom_run* r, const char* key, const char* text,
                       qloom_error*) noexcept { return run_of(r).report_table(key, text); },
    .site = [](qloom_run* r, std::uint64_t i,
               qloom_run_site* out) noexcept { return run_of(r).site(i, *out); },
    .add_rule = [](qloom_run* r, const char* text,
                   qloom_error*) noexcept { return run_of(r).add_rule(text); }};

/// body(parameter) where there is one; with `needs_rest`, not while a pass is under way.
template <class Body>
qloom_status of_tensor(qloom_run* run, std::uint64_t index, bool needs_rest, Body&& body) {
  Parameter* const p = run_of(run).find(index);
  if (p == nullptr) return QLOOM_E_INVALID;
  if (needs_rest && run_of(run).has_logits()) return QLOOM_E_ORDER;
  return body(*p);
}
template <class T>
const T* data_of(const std::vector<T>& values) {
  return values.empty() ? nullptr : values.data();
}

qloom_status set_control(Parameter& p, const qloom_tensor_control& c) {
  const auto take = [&](auto& to, const auto* from) {
    to.clear();
    if (from != nullptr) to.assign(from, from + p.n);
  };
  if ((c.fields & QLOOM_CONTROL_HELD) != 0) take(p.held, c.held);
  if ((c.fields & QLOOM_CONTROL_IMPORTANCE) != 0) take(p.importance, c.importance);
  if ((c.fields & QLOOM_CONTROL_STORAGE) != 0) p.storage_bits = c.storage_bits;
  if ((c.fields & QLOOM_CONTROL_FACTORS) == 0) return QLOOM_OK;
  p.rate_factor = c.rate_factor;
  p.decay_factor = c.decay_factor;
  return QLOOM_OK;
}

/// Codes are sixteenths.
void fill_encoding(qloom_encoding& e) {
  static constexpr float kScale = 1.0F / 16.0F, kInverse = 16.0F;
  static constexpr std::int32_t kZero = 0, kLow = -128, kHigh = 127;
  e.kind = QLOOM_ENCODING_AFFINE;
  e.bits = 8;
  e.is_signed = e.groups = 1;
  e.grid = {&kScale, &kInverse, nullptr, &kZero, &kLow, &kHigh};
}

constexpr qloom_tensors_api kTensors{
    .struct_size = sizeof(qloom_tensors_api),
    .reserved = 0,
    .set =
        [](qloom_run* r, std::uint64_t i, const qloom_tensor_control* c, qloom_error*) noexcept {
          return of_tensor(r, i, false, [&](Parameter& p) { return set_control(p, *c); });
        },
    .get =
        [](qloom_run* r, std::uint64_t i, qloom_tensor_control* c) noexcept {
          return of_tensor(r, i, false, [&](Parameter& p) {
            *c = {sizeof *c,       15,
                  data_of(p.held), p.rate_factor,
                  p.decay_factor,  data_of(p.importance),
                  p.storage_bits};
            return QLOOM_OK;
          });
        },
    .moment =
        [](qloom_run* r, std::uint64_t i, const char* name, float** values) noexcept {
          return of_tensor(r, i, false, [&](Parameter& p) {
            if (std::string(name) != "velocity" || p.velocity.empty()) return QLOOM_E_UNSUPPORTED;
            *values = p.velocity.data();
            return QLOOM_OK;
          });
        },
    .quantized =
        [](qloom_run* r, std::uint64_t i, const float** values) noexcept {
          return of_tensor(r, i, false, [&](Parameter& p) {
            *values = p.quantized.data();
            return QLOOM_OK;
          });
        },
    .shadow =
        [](qloom_run* r, std::uint64_t i, float** values) noexcept {
          return of_tensor(r, i, false, [&](Parameter& p) {
            *values = p.shadow.empty() ? nullptr : p.shadow.data();
            return QLOOM_OK;
          });
        },
    .quantize =
        [](qloom_run* r, std::uint64_t i, const float* x, float* y, qloom_error*) noexcept {
          return of_tensor(r, i, true, [&](Parameter& p) {
            std::transform(x, x + p.n, y, seen);
            return QLOOM_OK;
          });
        },
    .encode =
        [](qloom_run* r, std::uint64_t i, std::int32_t* codes, qloom_encoding* e,
           qloom_error*) noexcept {
          return of_tensor(r, i, true, [&](Parameter& p) {
            const float* const v = p.value.data();
            std::transform(v, v + p.n, codes, [](float value) {
              return static_cast<std::int32_t>(std::clamp(value * 16.0F, -128.0F, 127.0F));
            });
            fill_encoding(*e);
            return QLOOM_OK;
          });
        }};

}  // namespace

Record exercise_procedure(Context& context, const Case&, registry::Instance& instance, const Input&,
                          std::uint64_t round) {
  registry::set_run_services({&kRun, &kTensors});
  SmallRun run(context.seed(), round);
  const std::string refusal = run.epoch(context, instance);
  if (!refusal.empty()) return {{"on", std::vector<float>{}, refusal}};
  return run.take();
}

}  // namespace qloom::check
