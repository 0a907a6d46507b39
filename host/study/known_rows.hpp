// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A table has each of its runs once.
#pragma once

#include <map>
#include <string>

#include "host/json/json.hpp"

namespace qloom::study {

/// The rows of a table by what they run.
class KnownRows {
 public:
  /// InputError "<where><first> and <row> are the same pipeline": a configuration that was there
  /// with the same `key`. Its name and the texts for readers do not count: they change no run.
  void add(const std::string& where, const std::string& row, const json::Json& configuration,
           const std::string& key);

 private:
  struct Known {
    std::string row;
    json::Json pipeline;  ///< with its texts
  };
  std::map<std::string, Known> rows_;
};

}  // namespace qloom::study
