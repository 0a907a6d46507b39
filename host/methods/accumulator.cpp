// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/accumulator.hpp"

namespace qloom::methods {

AccumulatorSpec resolve_accumulator(const registry::Registry& registry, const Json& rule,
                                    const std::string& where) {
  const Json rounding = rule.value("rounding", Json{{"plugin", "nearest_even"}});
  return {resolve(registry, "accumulator", rule.at("accumulator"), where + "/accumulator"),
          resolve(registry, "rounding", rounding, where + "/rounding")};
}

Accumulator::Accumulator(const registry::Registry& registry, const AccumulatorSpec& spec,
                         const qloom_site* site, std::string place, const std::string& stream)
    : Driver(create(registry, spec.accumulator, site), std::move(place)),
      rounding_(create(registry, spec.rounding, site)),
      streams_(stream.empty() ? this->place() : stream) {}

bool Accumulator::wants_codes() const {
  return (instance().ops<qloom_accumulator>().caps & QLOOM_ACCUMULATOR_INTEGER) != 0;
}

AccumulatorRef Accumulator::ref(std::uint64_t seed, std::uint64_t step, bool training,
                                std::uint64_t* overflows) const {
  AccumulatorRef ref;
  ref.self = self();
  ref.ops = &instance().ops<qloom_accumulator>();
  ref.around = &watched;
  ref.watcher = this;
  ref.call = call_of(rounding_.ref(), streams_, seed, step, training);
  ref.overflows = overflows;
  return ref;
}

qloom_status Accumulator::watched(const AccumulatorRef& ref, const qloom_call& call,
                                  const qloom_tile& tile, std::uint64_t& overflows) noexcept {
  const auto& driver = *static_cast<const Accumulator*>(ref.watcher);
  return driver.recorded("accumulate",
                         [&] { return ref.ops->accumulate(ref.self, &call, &tile, &overflows); });
}

std::vector<double> Accumulator::product(const Factors& f, std::uint64_t seed, std::uint64_t step,
                                         bool training) const {
  std::vector<double> c(f.m * f.n);
  const auto pitch = [](std::uint64_t n) { return static_cast<std::int64_t>(n); };
  const qloom_tile tile{f.a, f.b, c.data(), pitch(f.k), pitch(f.n), pitch(f.n),
                        f.m, f.n, f.k,      0,          f.n};
  std::uint64_t overflows = 0;
  call("accumulate", [&](qloom_error* error) {
    qloom_call carried = call_of(rounding_.ref(), streams_, seed, step, training);
    carried.error = error;
    return instance().ops<qloom_accumulator>().accumulate(self(), &carried, &tile, &overflows);
  });
  return c;
}

}  // namespace qloom::methods
