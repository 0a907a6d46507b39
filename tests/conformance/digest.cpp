// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Prints one hash of the results per method, parameters and tensor, for the instruction set that
// QLOOM_ISA names; with --isas the names of those this machine runs.
#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "host/kernels/kernels.hpp"
#include "tests/conformance/cases.hpp"

namespace qloom::conformance {
namespace {

void print(const Case& c, const std::string& what, std::uint64_t hash) {
  fmt::print("{} {} {} {} {:016x}\n", c.method->kind, c.method->id, c.params.dump(), what, hash);
}

void print_all() {
  fmt::print("isa {}\n", kernels::table().isa_name);
  for (const Case& c : cases("quantizer")) {
    for (const Input& input : inputs()) {
      for (const char* rounding : {"nearest_even", "stochastic"}) {
        print(c, input.name + "/" + rounding, quantizer_digest(c, rounding, input));
      }
    }
  }
  for (const Case& c : cases("rounding")) {
    const registry::Instance rounding = create(c);
    Digest digest;
    digest.add(rounded(rounding, float16_values()));
    digest.add(rounded(rounding, test::values(test::gaussian({10007}, 107, 30.0F)), 3));
    print(c, "values", digest.value());
  }
  for (const Case& c : cases("range")) {
    for (const Input& input : inputs()) {
      Digest digest;
      digest.add(observed(create(c), input.x, 1, 1));
      const auto rows = static_cast<std::uint64_t>(input.x.shape().at(0));
      digest.add(observed(create(c), input.x, 1, rows));
      digest.add(observed(create(c), input.x, rows, input.x.size() / rows));
      print(c, input.name, digest.value());
    }
  }
  for (const Case& c : cases("norm")) {
    for (const Shape& shape : {Shape{523, 5}, Shape{64, 33}, Shape{2048, 16}}) {
      const Tensor x = test::gaussian(shape, 83, 3.0F);
      print(c, fmt::format("{}x{}", shape[0], shape[1]),
            run_norm(begun_norm(c, x), x).digest());
    }
  }
  for (const Case& c : cases("accumulator")) {
    const Product product = accumulated(create(c), 100, 100);
    Digest digest;
    digest.add(product.c);
    digest.add(std::vector<std::uint64_t>{product.overflows});
    print(c, "product", digest.value());
  }
}

}  // namespace
}  // namespace qloom::conformance

int main(int argc, char** argv) {
  try {
    if (argc > 1 && std::string_view(argv[1]) == "--isas") {
      for (const auto isa : qloom::kernels::runnable()) {
        fmt::print("{}\n", qloom::kernels::name(isa));
      }
      return 0;
    }
    qloom::conformance::print_all();
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
