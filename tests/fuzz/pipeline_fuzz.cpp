// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A pipeline, with the model that it names.
#include "host/network/model.hpp"
#include "host/pipeline/pipeline.hpp"
#include "tests/fuzz/input.hpp"

namespace {

/// Both in and beside its folder are the models of the examples, as their pipelines want them.
const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("pipeline.json");
  static const bool has_models = [] {
    const auto models = std::filesystem::path(QLOOM_SOURCE_DIR) / "examples/models";
    std::filesystem::create_directory_symlink(models, one.root() / "models");
    std::filesystem::create_directory_symlink(models, one.root() / "input/models");
    return true;
  }();
  static_cast<void>(has_models);
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  return fuzz::reads_or_refuses([&] {
    const pipeline::Pipeline p = pipeline::load(path, {}, fuzz::methods());
    static_cast<void>(pipeline::configuration(p, fuzz::methods()).dump());
    static_cast<void>(network::parse_model(p.model, p.model_where, {28, 28, 1}, 10));
  });
}
