// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What the worker can time. A case is made once from its parameters; run() does the work once.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "host/registry/registry.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::bench {

using json::Json;

/// work: how much one run does, in the case's own unit (elements, products): two cases of one unit
/// are compared by their rates.
struct Case {
  std::function<void()> run;
  double work = 1;
};
using Cases = std::map<std::string, std::function<Case(const Json& params)>>;

/// The registry of the default plugin folders, made at the first use.
[[nodiscard]] const registry::Registry& plugins();

/// The array of params: {"array": file.npy, "shape": [..]}: the file's first elements in this
/// shape; without "shape" all of it. `key` names another file entry, for instance "gradient".
[[nodiscard]] Tensor read_array(const Json& params, const char* key = "array");

void add_limits(Cases& cases);        ///< memcpy, read, triad, fma_peak
void add_kernels(Cases& cases);       ///< affine, minifloat, accumulate_*: the compute core
void add_sites(Cases& cases);         ///< site_forward, site_backward, observe: through plugins
void add_norms(Cases& cases);         ///< norm_forward, norm_backward and oneDNN's
void add_contractions(Cases& cases);  ///< contraction, onednn_int8_convolution
void add_programs(Cases& cases);      ///< program_convolution, program_resnet8: integer programs
void add_steps(Cases& cases);         ///< step: one training step; load_plugin

}  // namespace qloom::bench
