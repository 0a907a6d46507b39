// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/json_file.hpp"
#include "host/network/model.hpp"
#include "tests/fuzz/input.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("model.json");
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  return fuzz::reads_or_refuses([&] {
    const json::Json text = data::read_json(path);
    for (const network::SampleShape& input : {network::SampleShape{28, 28, 1}, {32, 32, 3}}) {
      fuzz::reads_or_refuses(
          [&] { static_cast<void>(network::parse_model(text, path.string(), input, 10)); });
    }
  });
}
