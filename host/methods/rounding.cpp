// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/rounding.hpp"

#include "host/tensor/random.hpp"

namespace qloom::methods {

Streams::Streams(const std::string& name)
    : train(stream_id(name)), evaluate(stream_id(name + "/evaluate")) {}

qloom_rounding_ref Rounding::ref() const {
  const auto& ops = instance().ops<qloom_rounding>();
  qloom_rounding_ref ref{self(), &ops, QLOOM_ROUND_GENERIC, 0};
  std::uint32_t rule = 0, argument = 0;
  const auto lower = [&] { return ops.lower(self(), &rule, &argument); };
  if (ops.lower != nullptr && registry::recorded(method(), "lower", "", lower) == QLOOM_OK) {
    ref.rule = rule;
    ref.argument = argument;
  }
  return ref;
}

void Rounding::round(const qloom_call& carried, std::uint64_t first, const float* x, float* y,
                     std::uint64_t n) const {
  call("round", [&](qloom_error* error) {
    qloom_call c = carried;
    c.error = error;
    return instance().ops<qloom_rounding>().round(self(), &c, first, x, y, n);
  });
}

qloom_call call_of(const qloom_rounding_ref& rounding, const Streams& streams, std::uint64_t seed,
                   std::uint64_t step, bool training) {
  qloom_call c{};
  c.struct_size = sizeof c;
  c.training = training ? 1 : 0;
  c.seed = seed;
  c.stream = streams.of(training);
  c.step = step;
  c.rounding = rounding;
  return c;
}

}  // namespace qloom::methods
