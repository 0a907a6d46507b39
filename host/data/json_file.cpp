// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/json_file.hpp"

#include "host/data/array_file.hpp"
#include "host/json/text.hpp"

namespace qloom::data {

json::Json read_json(const std::filesystem::path& file) {
  return json::parse(read_text(file), file.string());
}

}  // namespace qloom::data
