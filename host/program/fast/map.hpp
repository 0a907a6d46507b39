// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Steps on the elements of a tensor in the fastest form that has the bits of steps::apply().
#pragma once

#include <memory>

#include "host/program/fast/storage.hpp"
#include "host/program/ranges.hpp"

namespace qloom::program::fast {

/// Elements in a row of a tensor: their first place in the form's period, and how many.
struct Stretch {
  const std::byte* in;
  std::int64_t place, count;
};

/// A chain as something simpler than its steps, with results of 32 bits.
class Form {
 public:
  virtual ~Form() = default;
  /// Elements after which the channels' constants come again: a multiple of the channels.
  [[nodiscard]] virtual std::int64_t period() const = 0;
  /// What the results of run() have to be clamped to.
  [[nodiscard]] virtual Interval bounds() const { return {INT32_MIN, INT32_MAX}; }
  virtual void run(const Stretch& stretch, std::int32_t* out) const = 0;
};

/// A chain for a tensor of so many channels whose values lie in `values` and are stored as `in`.
struct MapTask {
  Chain chain;
  std::int64_t channels = 1;
  Range values;
  Storage in = Storage::kS32;
};

// Null where the chain has no such form.
/// All results in a table, where the values are few.
[[nodiscard]] std::unique_ptr<Form> make_table(const MapTask& task);
/// Sums, a product, one or two rounded shifts, a sum, bounds: in lanes of 64 bits, then 32.
[[nodiscard]] std::unique_ptr<Form> make_scaling(const MapTask& task);
/// Sums and products, then thresholds, found near to where they are.
[[nodiscard]] std::unique_ptr<Form> make_search(const MapTask& task);

/// What comes out of a chain, for each channel or for all. The chain holds for these values.
[[nodiscard]] Range behind(const Chain& chain, std::int64_t channels, const Range& values);

/// One task, its results stored as `out`. Without a form its steps are done one by one.
class Map {
 public:
  Map(MapTask task, Storage out);
  void run(const std::byte* in, std::int64_t pixels, std::byte* out) const;

 private:
  void run_form(const std::byte* in, std::int64_t n, std::byte* out) const;
  void run_steps(const std::byte* in, std::int64_t n, std::byte* out) const;

  MapTask task_;
  Storage out_;
  std::unique_ptr<Form> form_;
};

}  // namespace qloom::program::fast
