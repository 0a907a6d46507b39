// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What comparisons and sweeps share: figures over seeds, and their texts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/registry/registry.hpp"

namespace qloom::results {

/// Mean and sample standard deviation (n - 1); 0 for one value.
[[nodiscard]] std::pair<double, double> mean_and_deviation(const std::vector<double>& values);

/// Keys "accuracies", "accuracy_mean", "accuracy_deviation", "weight_bits", "activation_bits",
/// "model_bytes", "seconds_per_epoch" of the reports of one configuration under several seeds; null
/// where there is no figure.
void add_figures(const std::vector<json::Json>& reports, json::Json& row);

/// Cells of a table for people: "89.15", "89.15 ± 0.12" or "-"; unit: percent.
[[nodiscard]] std::string accuracy_text(const json::Json& row);
/// The number with `decimals` decimals, or "-" for null.
[[nodiscard]] std::string number_text(const json::Json& value, int decimals);

/// What stands behind a row of a table with an "error": " failed: ..." in one line, cut where it is
/// long; empty for a row without one.
[[nodiscard]] std::string failure_text(const json::Json& row);

/// A field of a .csv file, in quotes where it must be.
[[nodiscard]] std::string csv_field(const std::string& text);
/// A number of JSON as it is, empty for null.
[[nodiscard]] std::string csv_number(const json::Json& value);

}  // namespace qloom::results
