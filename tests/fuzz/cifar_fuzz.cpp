// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A binary batch of CIFAR-10, plain or gzip.
#include "host/data/datasets/split.hpp"
#include "tests/fuzz/input.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("data_batch_1.bin");
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  for (const std::int64_t limit : {0, 1}) {
    fuzz::reads_or_refuses([&] {
      static_cast<void>(data::read_cifar({path, path}, limit, "/data/train_limit"));
    });
  }
  return 0;
}
