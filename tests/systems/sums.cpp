// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Digests of contractions of integer codes, a line for each geometry, width and role: the same on
// every system, whatever multiplies there. That the sums are right is shown by tests/contraction.
#include <cstdio>
#include <string>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/data/hash.hpp"
#include "tests/contraction/coded.hpp"

namespace qloom::test {
namespace {

void print_digest(const std::string& name, const char* role, const std::vector<float>& result) {
  data::Hash hash;
  hash.add(result.data(), result.size() * sizeof(float));
  std::printf("%s, %s: %s\n", name.c_str(), role, data::digest_text(hash.digest()).c_str());
}

/// x within [lo, hi]; weights and gradients within +-limit.
void print_roles(const ContractionShape& s, std::int64_t lo, std::int64_t hi, std::int64_t limit,
                 const std::string& name) {
  const Coded x(random_codes(s.x_size(), 1, lo, hi), {0.0123F});
  const Coded w(random_codes(s.w_size(), 2, -limit, limit), {0.00345F});
  const Coded dy(random_codes(s.y_size(), 3, -limit, limit), {0.00037F});
  contraction::Contraction contraction;
  std::vector<float> y(dy.codes.size()), dx(x.codes.size()), dw(w.codes.size());
  contraction.forward(s, x.operand(), w.operand(), nullptr, y.data());
  print_digest(name, "forward", y);
  contraction.input_gradient(s, dy.operand(), w.operand(), dx.data());
  print_digest(name, "input gradient", dx);
  contraction.weight_gradient(s, x.operand(), dy.operand(), dw.data());
  print_digest(name, "weight gradient", dw);
}

void print_all() {
  std::vector<std::pair<std::string, ContractionShape>> shapes;
  for (const auto& [name, shape] : small_shapes()) shapes.emplace_back(name, shape);
  shapes.emplace_back("4608 inputs", ContractionShape{.batch = 3, .in_c = 4608, .out_c = 4});
  for (const auto& [name, shape] : shapes) {
    print_roles(shape, -127, 127, 1, name + ", ternary");
    print_roles(shape, 0, 255, 127, name + ", 8 bits");
    print_roles(shape, -32768, 32767, 32767, name + ", 16 bits");
  }
}

}  // namespace
}  // namespace qloom::test

int main() { qloom::test::print_all(); }
