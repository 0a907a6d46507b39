// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <atomic>

#include "host/registry/services.hpp"

namespace qloom::registry {
namespace {

template <class Table>
std::atomic<const Table*> current{nullptr};

/// A function of slot `Slot` that calls the same slot of the current table.
template <auto Slot, class Function>
struct Forward;
template <auto Slot, class Table, class... Args>
struct Forward<Slot, qloom_status (*Table::*)(Args...) noexcept> {
  static qloom_status call(Args... args) noexcept {
    const Table* table = current<Table>.load(std::memory_order_acquire);
    if (table == nullptr || table->*Slot == nullptr) return QLOOM_E_ORDER;
    return (table->*Slot)(args...);
  }
};
template <auto Slot>
constexpr auto kForward = &Forward<Slot, decltype(Slot)>::call;

constexpr qloom_run_api kRun{
    .struct_size = sizeof(qloom_run_api),
    .reserved = 0,
    .tensor = kForward<&qloom_run_api::tensor>,
    .norm = kForward<&qloom_run_api::norm>,
    .norm_inference = kForward<&qloom_run_api::norm_inference>,
    .remove_norm = kForward<&qloom_run_api::remove_norm>,
    .set_shadow = kForward<&qloom_run_api::set_shadow>,
    .retune_norms = kForward<&qloom_run_api::retune_norms>,
    .logits = kForward<&qloom_run_api::logits>,
    .schedule = kForward<&qloom_run_api::schedule>,
    .scale_learning_rate = kForward<&qloom_run_api::scale_learning_rate>,
    .report = kForward<&qloom_run_api::report>,
    .random_uniform = kForward<&qloom_run_api::random_uniform>,
    .again = kForward<&qloom_run_api::again>,
    .report_table = kForward<&qloom_run_api::report_table>,
    .site = kForward<&qloom_run_api::site>,
    .add_rule = kForward<&qloom_run_api::add_rule>,
};

constexpr qloom_tensors_api kTensors{
    .struct_size = sizeof(qloom_tensors_api),
    .reserved = 0,
    .set = kForward<&qloom_tensors_api::set>,
    .get = kForward<&qloom_tensors_api::get>,
    .moment = kForward<&qloom_tensors_api::moment>,
    .quantized = kForward<&qloom_tensors_api::quantized>,
    .shadow = kForward<&qloom_tensors_api::shadow>,
    .quantize = kForward<&qloom_tensors_api::quantize>,
    .encode = kForward<&qloom_tensors_api::encode>,
};

}  // namespace

RunServices run_services() { return {&kRun, &kTensors}; }

void set_run_services(RunServices tables) {
  current<qloom_run_api>.store(tables.run, std::memory_order_release);
  current<qloom_tensors_api>.store(tables.tensors, std::memory_order_release);
}

}  // namespace qloom::registry
