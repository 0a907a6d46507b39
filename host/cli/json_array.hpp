// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Arrays as text: [[1, 2.5], [3, -4]] in a .json file, for inputs and expected results that a
// person writes by hand. Every other file is a .npy.
#pragma once

#include <filesystem>
#include <string>

#include "host/registry/registry.hpp"
#include "host/tensor/tensor.hpp"

namespace qloom::cli {

/// A float32 array from a .json or .npy file. float64 is rounded to the nearest, which is said on
/// standard error when a value changes. InputError for values that are not finite or would not be,
/// integers that float32 does not hold, and a .json that is no array of numbers in which all rows
/// of an axis are of one length.
[[nodiscard]] Tensor read_array(const std::filesystem::path& file);
/// As the ending of `planned`, the file's later name, says; text holds the shortest decimals that
/// give back the same float32. RunError with the index where JSON has no number for a value.
void write_array(const std::filesystem::path& file, const std::filesystem::path& planned,
                 const Tensor& x);

/// RunError with the place of the first number that is not finite: `where`, then its JSON pointer.
void require_json_numbers(const json::Json& json, const std::string& where);

/// "(2, 3)"
[[nodiscard]] std::string shape_text(const Shape& shape);

/// RunError with the first element of x that is farther than `tolerance` from the array in `file`,
/// and how many are; InputError when the shapes differ.
void expect_array(const Tensor& x, const std::filesystem::path& file, double tolerance);

}  // namespace qloom::cli
