// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/methods/procedure.hpp"

namespace qloom::methods {

void Procedure::on(qloom_run* run, const qloom_event& event, const char* name) const {
  qloom_error error = registry::empty_error();
  const qloom_status status = registry::recorded(method(), "on", name, [&] {
    return instance().ops<qloom_procedure>().on(self(), run, &event, &error);
  });
  check("on", status, error);
}

}  // namespace qloom::methods
