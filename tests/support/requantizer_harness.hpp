// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A requantizer and what it makes of sums.
#pragma once

#include <string>
#include <vector>

#include "host/methods/requantizer.hpp"
#include "host/tensor/error.hpp"
#include "tests/support/method.hpp"

namespace qloom::test {

using methods::Requantization;
using methods::RequantizeTask;

/// One input, all channels with sums of -most .. most; codes of 8 bits.
inline RequantizeTask sum_task(std::vector<double> factor, std::vector<double> offset,
                               std::int64_t most, std::int32_t zero_point = 0) {
  RequantizeTask task;
  task.channels = factor.size();
  task.factor = std::move(factor);
  task.offset = std::move(offset);
  task.sums.assign(task.channels, {-most, most});
  task.codes = {-128, 127};
  task.zero_point = zero_point;
  return task;
}

/// One channel, codes of 8 bits less their zero point in.
inline RequantizeTask join_task(std::vector<double> factor, std::int32_t zero_point = 0,
                                std::int64_t most = 255) {
  RequantizeTask task = sum_task({1}, {0}, most, zero_point);
  task.inputs = static_cast<std::uint32_t>(factor.size());
  task.sums.assign(factor.size(), {-most, most});
  task.factor = std::move(factor);
  return task;
}

inline Requantization derive(const std::string& id, const std::string& params,
                             const RequantizeTask& task, const std::string& place = "") {
  Json rule = Json::parse(params);
  rule["plugin"] = id;
  const methods::MethodSpec spec = methods::resolve(registry(), "requantizer", rule, "test");
  return methods::Requantizer(registry(), spec, nullptr, place).derive(task);
}

/// What derive() refuses with; empty where it does not.
inline std::string refusal_of(const std::string& id, const std::string& params,
                              const RequantizeTask& task) {
  try {
    static_cast<void>(derive(id, params, task, "output/conv1"));
  } catch (const RunError& error) {
    return error.what();
  }
  return {};
}

}  // namespace qloom::test
