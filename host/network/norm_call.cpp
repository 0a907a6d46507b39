// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/network/norm_call.hpp"

#include <algorithm>
#include <numeric>

#include "host/registry/call_record.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

/// body(block, first row, rows) on all threads, some neighbours together: memory is read faster
/// along a run.
template <class Body>
void for_each_block(const qloom_norm_call& call, const Body& body) {
  constexpr std::uint64_t kMostTogether = 4, kRuns = 32;
  if (call.rows == 0 || call.channels == 0) return;
  const std::uint64_t rows = pass_block(call.channels) / call.channels;
  const std::uint64_t count = (call.rows + rows - 1) / rows;
  const auto block = [&](std::uint64_t i) {
    body(i, i * rows, std::min(rows, call.rows - i * rows));
  };
  const auto together = std::clamp<std::uint64_t>(count / kRuns, 1, kMostTogether);
  for_each(count, block, static_cast<int>(together));
}

}  // namespace

std::uint64_t pass_block(std::uint64_t channels) {
  constexpr std::uint64_t kAwkward = 1 << 16, kLeast = 1 << 14, kLeastRows = 32;
  const std::uint64_t whole = std::lcm(kTileElements, channels);
  const std::uint64_t unit = whole <= kAwkward ? whole : channels;
  const std::uint64_t least = std::max(kLeast, kLeastRows * channels);
  return (least + unit - 1) / unit * unit;
}

void norm_forward(const registry::Instance& norm, const qloom_norm_call& call, const float* x,
                  float* y) {
  const auto& ops = norm.ops<qloom_norm>();
  qloom_error error = registry::empty_error();
  const auto status = registry::recorded(
      norm.method(), "prepare", "", [&] { return ops.prepare(norm.self(), &call, x, &error); });
  registry::check(norm.method(), "prepare", status, error);
  for_each_block(call, [&](std::uint64_t, std::uint64_t first, std::uint64_t rows) {
    const registry::CallRecord record(norm.method(), "apply");
    ops.apply(norm.self(), &call, first, rows, x + first * call.channels,
              y + first * call.channels);
  });
}

void NormSums::reset(const qloom_norm& ops, std::uint64_t rows, std::uint64_t channels) {
  const std::uint64_t block = channels == 0 ? 1 : pass_block(channels) / channels;
  width_ = ops.sums_per_channel * channels;
  blocks_ = (rows + block - 1) / block;
  partials_.assign(blocks_ * width_, 0.0);
}

const double* NormSums::total() {
  total_.assign(width_, 0.0);
  for (std::uint64_t i = 0; i < blocks_; ++i) {
    for (std::uint64_t k = 0; k < width_; ++k) total_[k] += partials_[i * width_ + k];
  }
  return total_.data();
}

void norm_backward(const registry::Instance& norm, const qloom_norm_call& call, const float* x,
                   const float* dy, float* dx, float* dgamma, float* dbeta) {
  const auto& ops = norm.ops<qloom_norm>();
  const std::uint64_t c = call.channels;
  NormSums sums(ops, call.rows, c);
  for_each_block(call, [&](std::uint64_t i, std::uint64_t first, std::uint64_t rows) {
    const registry::CallRecord record(norm.method(), "backward_sums");
    ops.backward_sums(norm.self(), &call, first, rows, x + first * c, dy + first * c,
                      sums.block(i));
  });
  qloom_error error = registry::empty_error();
  const auto status = registry::recorded(norm.method(), "backward_prepare", "", [&] {
    return ops.backward_prepare(norm.self(), &call, sums.total(), dgamma, dbeta, &error);
  });
  registry::check(norm.method(), "backward_prepare", status, error);
  for_each_block(call, [&](std::uint64_t, std::uint64_t first, std::uint64_t rows) {
    const registry::CallRecord record(norm.method(), "backward");
    ops.backward(norm.self(), &call, first, rows, x + first * c, dy + first * c, dx + first * c);
  });
}

}  // namespace qloom::network
