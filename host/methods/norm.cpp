// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/norm.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "host/tensor/parallel.hpp"

namespace qloom::methods {
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

qloom_status keep_slot(void*, const char*, const float* x, float* y, std::uint64_t n) noexcept {
  if (y != x && n > 0) std::memcpy(y, x, n * sizeof(float));
  return QLOOM_OK;
}

}  // namespace

std::uint64_t pass_block(std::uint64_t channels) {
  constexpr std::uint64_t kAwkward = 1 << 16, kLeast = 1 << 14, kLeastRows = 32;
  const std::uint64_t whole = std::lcm(kTileElements, channels);
  const std::uint64_t unit = whole <= kAwkward ? whole : channels;
  const std::uint64_t least = std::max(kLeast, kLeastRows * channels);
  return (least + unit - 1) / unit * unit;
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

qloom_norm_call norm_call(std::uint32_t mode, std::uint64_t rows, std::uint64_t channels) {
  qloom_norm_call c{};
  c.struct_size = sizeof c;
  c.mode = mode;
  c.rows = rows;
  c.channels = channels;
  c.momentum = -1;
  return c;
}

qloom_slots kept_slots() { return {nullptr, &keep_slot}; }

Norm::Norm(registry::Instance instance, std::uint64_t channels, std::uint64_t fan_in,
           std::string place)
    : Driver(std::move(instance), std::move(place)) {
  qloom_norm_context context{};
  context.struct_size = sizeof context;
  context.channels = channels;
  context.fan_in = fan_in;
  call("begin", [&](qloom_error* error) { return ops().begin(self(), &context, error); });
}

void Norm::prepare(const qloom_norm_call& c, const float* x) const {
  call(
      "prepare", [&](qloom_error* error) { return ops().prepare(self(), &c, x, error); },
      said("forward"));
}

void Norm::apply(const qloom_norm_call& c, std::uint64_t first, std::uint64_t rows, const float* x,
                 float* y) const noexcept {
  recorded("apply", [&] { ops().apply(self(), &c, first, rows, x, y); });
}

void Norm::backward_sums(const qloom_norm_call& c, std::uint64_t first, std::uint64_t rows,
                         const float* x, const float* dy, double* sums) const noexcept {
  recorded("backward_sums", [&] { ops().backward_sums(self(), &c, first, rows, x, dy, sums); });
}

void Norm::backward_prepare(const qloom_norm_call& c, const double* sums, float* dgamma,
                            float* dbeta) const {
  call(
      "backward_prepare",
      [&](qloom_error* error) {
        return ops().backward_prepare(self(), &c, sums, dgamma, dbeta, error);
      },
      said("backward"));
}

void Norm::backward(const qloom_norm_call& c, std::uint64_t first, std::uint64_t rows,
                    const float* x, const float* dy, float* dx) const noexcept {
  recorded("backward", [&] { ops().backward(self(), &c, first, rows, x, dy, dx); });
}

void Norm::inference(const qloom_norm_call& c, std::vector<float>& scale,
                     std::vector<float>& shift) const {
  scale.resize(c.channels);
  shift.resize(c.channels);
  call("inference", [&](qloom_error* error) {
    return ops().inference(self(), &c, scale.data(), shift.data(), error);
  });
}

void Norm::forward(const qloom_norm_call& c, const float* x, float* y) const {
  prepare(c, x);
  for_each_block(c, [&](std::uint64_t, std::uint64_t first, std::uint64_t rows) {
    apply(c, first, rows, x + first * c.channels, y + first * c.channels);
  });
}

void Norm::backward(const qloom_norm_call& c, const float* x, const float* dy, float* dx,
                    float* dgamma, float* dbeta) const {
  NormSums sums(ops(), c.rows, c.channels);
  for_each_block(c, [&](std::uint64_t i, std::uint64_t first, std::uint64_t rows) {
    const std::uint64_t at = first * c.channels;
    backward_sums(c, first, rows, x + at, dy + at, sums.block(i));
  });
  backward_prepare(c, sums.total(), dgamma, dbeta);
  for_each_block(c, [&](std::uint64_t, std::uint64_t first, std::uint64_t rows) {
    const std::uint64_t at = first * c.channels;
    backward(c, first, rows, x + at, dy + at, dx + at);
  });
}

}  // namespace qloom::methods
