// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A plugin.json; where it is sound, its schema then checks parameters.
#include "tests/fuzz/input.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("plugin.json");
  return one;
}

/// Values of every type, for each parameter that the manifest knows.
void check_parameters(const qloom::registry::Registry& registry) {
  using qloom::json::Json;
  static const Json kValues = {nullptr,        true, -1, 0.5, "channel", Json::array({1, "a"}),
                               {{"group", 32}}};
  for (const qloom::registry::Method& method : registry.methods()) {
    const auto resolve = [&](const Json& params) {
      qloom::fuzz::reads_or_refuses(
          [&] { static_cast<void>(registry.resolve_parameters(method, params, "rule")); });
    };
    resolve(Json::object());
    for (const Json& value : kValues) resolve(value);
    const Json schema = method.manifest.value("parameters", Json::object());
    if (!schema.is_object() || !schema.contains("properties")) continue;
    for (const auto& [name, property] : schema["properties"].items()) {
      for (const Json& value : kValues) resolve({{name, value}});
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  return fuzz::reads_or_refuses([&] { check_parameters(registry::Registry::of_manifest(path)); });
}
