// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/trace.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/exchange/verilog/layer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::exchange::verilog {
namespace {

namespace fs = std::filesystem;
using program::Tensor;
using program::Values;

/// The number that a line is in this base; InputError for anything else.
template <class Number>
Number number_of(const std::string& line, int base, const fs::path& file) {
  Number number = 0;
  const char* const end = line.data() + line.size();
  const auto [last, error] = std::from_chars(line.data(), end, number, base);
  if (error == std::errc() && last == end) return number;
  throw InputError(fmt::format("{}: \"{}\", expected a number", file.string(), line));
}

/// The value whose word in two's complement this is.
std::int64_t value_of(std::uint64_t word, program::Type type) {
  const int unused = 64 - type.bits;
  const std::uint64_t high = word << unused;
  return type.is_signed ? static_cast<std::int64_t>(high) >> unused
                        : static_cast<std::int64_t>(high >> unused);
}

/// Of a memory file (.hex) or of what a simulation wrote (.txt).
Values read_values(const fs::path& file, const Tensor& tensor) {
  const bool is_memory = file.extension() == ".hex";
  if (!fs::exists(file)) {
    throw InputError(
        fmt::format("{}: no such file, expected what a simulation with "
                    "ARGS=\"+trace\" of all layers leaves",
                    file.string()));
  }
  std::istringstream text(data::read_text(file));
  Values values;
  const auto [lo, hi] = tensor.type.values();
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("//")) continue;
    values.push_back(is_memory ? value_of(number_of<std::uint64_t>(line, 16, file), tensor.type)
                               : number_of<std::int64_t>(line, 10, file));
    if (values.back() >= lo && values.back() <= hi) continue;
    throw InputError(fmt::format("{}: {}, expected {} to {} ({} of \"{}\")", file.string(),
                                 values.back(), lo, hi, tensor.type.text(), tensor.name));
  }
  return values;
}

/// The file of each tensor, below the folder.
std::vector<fs::path> files_of_tensors(const program::Program& program) {
  std::vector<fs::path> files(program.tensors.size());
  const auto file = [&](int tensor) -> fs::path& {
    return files[static_cast<std::size_t>(tensor)];
  };
  file(program.input) = "input.hex";
  for (const program::Op& op : program.ops) {
    if (moves_data_only(op.kind)) file(op.output) = fs::path("layers") / op.name / "output.hex";
  }
  const Design design = design_of(program, 1, 1);
  for (const Layer& layer : design.layers) {
    const fs::path folder = fs::path("layers") / layer.name;
    file(layer.op->output) = folder / (multiplies(layer) ? "sums.txt" : "output.txt");
    if (layer.map != nullptr) file(layer.map->output) = folder / "output.txt";
  }
  return files;
}

}  // namespace

bool is_export(const fs::path& folder) { return fs::exists(folder / "all_layers.v"); }

std::vector<Values> read_trace(const fs::path& folder, const program::Program& program) {
  const std::vector<fs::path> files = files_of_tensors(program);
  std::vector<Values> values;
  std::int64_t samples = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Tensor& tensor = program.tensors[i];
    values.push_back(read_values(folder / files[i], tensor));
    const auto count = static_cast<std::int64_t>(values.back().size());
    if (i == 0) samples = std::max<std::int64_t>(count / tensor.size(), 1);
    if (count == samples * tensor.size()) continue;
    throw InputError(fmt::format(
        "{}: {} values of \"{}\", expected {} samples of {}; a simulation with ARGS=\"+trace\" of "
        "all layers leaves them",
        (folder / files[i]).string(), count, tensor.name, samples, tensor.size()));
  }
  return values;
}

}  // namespace qloom::exchange::verilog
