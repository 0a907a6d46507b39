// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A .npz file: all its arrays, and as a dataset.
#include "host/data/arrays/array_file.hpp"
#include "host/data/datasets/dataset.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/zip_mutation.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("input.npz");
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  fuzz::reads_or_refuses([&] { static_cast<void>(data::read_npz(path)); });
  return fuzz::reads_or_refuses([&] {
    data::Source source;
    source.dataset = "numpy";
    source.train_file = source.test_file = path;
    static_cast<void>(data::load(source));
  });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return qloom::fuzz::mutate_zip(data, size, most, seed);
}
