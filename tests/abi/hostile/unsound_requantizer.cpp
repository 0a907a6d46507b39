// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A multiplier and a shift; breaks the promise named by its file, see fault.hpp.
#include <cmath>
#include <vector>

#include <sys/mman.h>

#include <qloom/math/fixed_point.hpp>
#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

const Fault& fault() {
  static const Fault one;
  return one;
}

class Unsound {
 public:
  explicit Unsound(const Params& params) : bits_(params.integer("/fraction_bits")) {
    break_process(fault());
  }
  void derive(const qloom_requantize_task& task, Steps& steps) const {
    for (std::uint64_t i = 0; i < task.inputs * task.channels; ++i) {
      const bool is_wide = task.sum_max[i] > 1 << 24 || task.sum_min[i] < -(1 << 24);
      if (is_wide) throw Error(QLOOM_E_UNSUPPORTED, "sums of more than 24 bits");
    }
    for (std::uint32_t n = 0; n < task.inputs; ++n) {
      steps.of_input(task.inputs == 1 ? 0 : n + 1);
      steps.multiply(scaled(task.factor + n * task.channels, task.channels));
    }
    steps.of_input(0);
    steps.add(scaled(task.offset, task.channels));
    steps.shift_right({bits_}, task.rounding);
    steps.add({task.zero_point + (fault().is("far_codes") ? 3 : 0) +
               (fault().is("keeps_a_count") ? calls_++ % 2 : 0)});
    if (!fault().is("wide_codes")) steps.clamp(task.code_min, task.code_max);
  }

 private:
  [[nodiscard]] std::vector<std::int64_t> scaled(const double* real, std::uint64_t n) const {
    std::vector<std::int64_t> all;
    for (std::uint64_t i = 0; i < n; ++i) {
      all.push_back(nearest_even(std::ldexp(real[i], static_cast<int>(bits_))));
    }
    return all;
  }
  std::int64_t bits_;
  mutable std::int64_t calls_ = 0;
};

/// Memory that was given back.
const std::int64_t* freed_constants() {
  void* const page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ::munmap(page, 4096);
  return static_cast<const std::int64_t*>(page);
}

/// The sound answer with its last step spoiled.
struct Spoiled {
  static constexpr const char* kKind = "qloom.requantizer/1";

  static qloom_status derive(void* self, const qloom_requantize_task* task, qloom_step* steps,
                             std::uint64_t* count, qloom_error* error) noexcept {
    static const std::int64_t largest = INT64_MAX;
    const qloom_status status = Requantizer<Unsound>::derive(self, task, steps, count, error);
    if (status != QLOOM_OK) return status;
    qloom_step& last = steps[*count - 1];
    if (fault().is("frees_constants")) last.constants = freed_constants();
    if (fault().is("null_constants")) last.constants = nullptr;
    if (fault().is("too_many_steps")) *count = 1000;
    if (fault().is("leaves_64_bits")) {
      steps[*count] = last;
      steps[(*count)++] = {sizeof(qloom_step), QLOOM_STEP_MULTIPLY, 0, 0, &largest, nullptr, 1, 1};
    }
    return status;
  }
  static constexpr qloom_requantizer kTable{sizeof(qloom_requantizer), 0, &derive};
  static qloom_status create(const qloom_host* host, const qloom_params* params,
                             const qloom_site* site, qloom_instance* out,
                             qloom_error* error) noexcept {
    const qloom_status status = Requantizer<Unsound>::create(host, params, site, out, error);
    out->ops = &kTable;
    return status;
  }
};

}  // namespace

QLOOM_METHODS(Spoiled)
