// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A .npy file in every way it is read: as float32, as any type, as labels of a dataset.
#include "host/data/arrays/array_file.hpp"
#include "host/data/arrays/npy.hpp"
#include "tests/fuzz/input.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("input.npy");
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  fuzz::reads_or_refuses([&] { static_cast<void>(data::read_npy(path)); });
  fuzz::reads_or_refuses([&] {  // what is read is written and read again as the same bytes
    const data::Bytes bytes = data::npy_bytes(data::read_npy_any(path));
    if (data::npy_bytes(data::to_array(data::parse_npy(bytes, "again"), "again")) != bytes) {
      std::abort();
    }
  });
  return fuzz::reads_or_refuses([&] {
    static_cast<void>(data::to_integers(data::parse_npy({data, size}, "labels"), "labels"));
  });
}
