// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a manifest says about where its method, or a part of it, may stand.
#pragma once

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

/// InputError when the manifest's "sites" leaves one of `sites` out for these resolved parameters.
/// `where` is file and pointer of the method's object.
void check_meant_sites(const registry::Method& method, const Json& params,
                       const std::vector<std::string>& sites, const std::string& where);

}  // namespace qloom::pipeline
