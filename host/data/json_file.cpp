// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/json_file.hpp"

#include "host/data/file.hpp"
#include "host/json/text.hpp"

namespace qloom::data {

json::Json read_json(const std::filesystem::path& file) {
  const Bytes bytes = read_bytes(file, json::kMostBytes);
  return json::parse({bytes.begin(), bytes.end()}, file.string());
}

}  // namespace qloom::data
