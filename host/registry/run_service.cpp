// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <atomic>

#include "host/registry/services.hpp"

namespace qloom::registry {
namespace {

std::atomic<const qloom_run_api*> current{nullptr};

/// A function of slot `Slot` that calls the same slot of the current table.
template <auto Slot, class Function>
struct Forward;
template <auto Slot, class... Args>
struct Forward<Slot, qloom_status (*qloom_run_api::*)(Args...) noexcept> {
  static qloom_status call(Args... args) noexcept {
    const qloom_run_api* table = current.load(std::memory_order_acquire);
    if (table == nullptr || table->*Slot == nullptr) return QLOOM_E_ORDER;
    return (table->*Slot)(args...);
  }
};
template <auto Slot>
constexpr auto kForward = &Forward<Slot, decltype(Slot)>::call;

constexpr qloom_run_api kTable{
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
};

}  // namespace

const qloom_run_api& run_service() { return kTable; }

void set_run_service(const qloom_run_api* table) {
  current.store(table, std::memory_order_release);
}

}  // namespace qloom::registry
