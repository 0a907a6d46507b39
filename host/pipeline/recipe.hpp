// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A recipe: a method that is a piece of a pipeline, so that a name from a paper can be used.
#pragma once

#include <string>

#include "host/pipeline/pipeline.hpp"

namespace qloom::pipeline {

/// What a recipe says with some parameters: "norm", "rules", "procedures", "optimizer", "loss".
struct Recipe {
  Json used;            ///< {"plugin": ..., parameters}, with defaults
  Json pipeline;        ///< schema-checked; the methods in it are not resolved
  std::string file;     ///< its manifest
  std::string pointer;  ///< of the piece in it
};

/// The recipe of {"plugin": id, parameters}. In its text "$name" is the parameter's value. `where`
/// is the object's file and pointer; old names and idle parameters are added to `notes`.
[[nodiscard]] Recipe resolve_recipe(const registry::Registry& registry, const Json& object,
                                    const std::string& where, Notes& notes);

/// The document with the recipe's norm, optimizer and loss where it has none of its own.
[[nodiscard]] Json with_recipe(Json document, const Recipe& recipe);

}  // namespace qloom::pipeline
