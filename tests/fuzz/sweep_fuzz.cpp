// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A sweep over the small pipeline of the examples, which lies beside it; its settings reach the
// pipeline as --set does.
#include <algorithm>

#include "host/data/json_file.hpp"
#include "host/study/sweep_plan.hpp"
#include "tests/fuzz/input.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("sweep.json");
  static const bool has_base = [] {
    const std::filesystem::path examples = std::filesystem::path(QLOOM_SOURCE_DIR) / "examples";
    std::filesystem::copy_file(examples / "smallest.json", one.root() / "input" / "base.json");
    std::filesystem::create_directory_symlink(examples / "models", one.root() / "input" / "models");
    return true;
  }();
  static_cast<void>(has_base);
  return one;
}

/// A sound sweep of many pipelines takes long, which is no hang.
bool is_long(const qloom::json::Json& sweep) {
  constexpr std::size_t kMany = 30;
  if (!sweep.is_object()) return false;
  std::size_t count = 1;
  for (const char* key : {"list", "seeds"}) {
    if (sweep.contains(key)) count *= std::max<std::size_t>(sweep[key].size(), 1);
  }
  if (sweep.contains("grid")) {
    for (const auto& values : sweep["grid"]) count *= std::max<std::size_t>(values.size(), 1);
  }
  return count > kMany && count <= 10'000;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  return fuzz::reads_or_refuses([&] {
    if (is_long(data::read_json(path))) return;
    static_cast<void>(study::plan_sweep(path, fuzz::methods()));
  });
}
