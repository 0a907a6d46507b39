// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// How a procedure is called: with the events of a run that it wants.
#pragma once

#include <cstdint>

#include "host/methods/driver.hpp"

namespace qloom::methods {

class Procedure : public Driver {
 public:
  using Driver::Driver;

  /// Sum of 1 << QLOOM_EVENT_* that it wants.
  [[nodiscard]] std::uint32_t events() const { return instance().ops<qloom_procedure>().caps; }
  [[nodiscard]] bool wants(std::uint32_t event) const { return (events() >> event & 1U) != 0; }
  /// name: of the event, for crash texts; lives as long as the program.
  void on(qloom_run* run, const qloom_event& event, const char* name) const;
};

}  // namespace qloom::methods
