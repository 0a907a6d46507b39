// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/pipeline/json_text.hpp"

#include "host/data/array_file.hpp"

namespace qloom::pipeline {

registry::Json read_json(const std::filesystem::path& file) {
  return parse_json(data::read_text(file), file.string());
}

}  // namespace qloom::pipeline
