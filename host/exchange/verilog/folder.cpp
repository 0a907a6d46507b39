// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/verilog/folder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/temporary.hpp"
#include "host/exchange/verilog/budget.hpp"
#include "host/exchange/verilog/network.hpp"
#include "host/exchange/verilog/parts.hpp"
#include "host/exchange/verilog/requantize.hpp"
#include "host/exchange/verilog/words.hpp"
#include "host/exchange/verilog/wrapper.hpp"
#include "host/program/execute.hpp"
#include "host/tensor/error.hpp"

namespace qloom::exchange::verilog {
namespace {

/// Inputs, weights and golden words of a layer.
std::vector<Text> memories_of(const Design& design, const Layer& layer,
                              const std::vector<program::Values>& values) {
  std::vector<Text> files;
  const auto add = [&](const std::string& file, int tensor) {
    files.emplace_back(
        fmt::format("layers/{}/{}", layer.name, file),
        tensor_words(design.program.tensor(tensor), values[static_cast<std::size_t>(tensor)]));
  };
  const program::Op& op = *layer.op;
  for (std::size_t i = 0; i < op.inputs.size(); ++i) add(input_file(op, i), op.inputs[i]);
  if (!multiplies(layer)) {
    add("output.hex", op.output);
    return files;
  }
  files.emplace_back(fmt::format("layers/{}/weights.hex", layer.name), weight_words(design, layer));
  add("sums.hex", op.output);
  if (layer.map != nullptr) add("output.hex", layer.map->output);
  return files;
}

/// What operations that move data only hand on: golden words without a layer.
std::vector<Text> moved_words(const program::Program& program,
                              const std::vector<program::Values>& values) {
  std::vector<Text> files;
  for (const program::Op& op : program.ops) {
    if (!moves_data_only(op.kind)) continue;
    files.emplace_back(
        fmt::format("layers/{}/output.hex", op.name),
        tensor_words(program.tensor(op.output), values[static_cast<std::size_t>(op.output)]));
  }
  return files;
}

bool has_steps(const Layer& layer) {
  return layer.map != nullptr || layer.op->kind == program::Kind::kMap ||
         layer.op->kind == program::Kind::kJoin;
}

/// What make has to know: all modules but the test bench, and what they include.
std::string sources_text(const std::vector<Text>& files) {
  std::string sources = "SOURCES :=", headers = "HEADERS :=";
  for (const auto& [path, text] : files) {
    if (path.ends_with(".v") && path != "testbench.v") sources += " \\\n  " + path;
    if (path.ends_with(".vh")) headers += " \\\n  " + path;
  }
  return sources + "\n" + headers + "\n";
}

/// Counters of the modules have 32 bits, signed ones among them.
void require_countable(const Design& design) {
  constexpr std::int64_t kMost = 2147483647;
  for (const Layer& layer : design.layers) {
    std::int64_t most = cycles_of(design, layer);
    for (const int input : layer.op->inputs) {
      most = std::max(most, design.program.tensor(input).size());
    }
    most = std::max({most, design.program.tensor(layer.op->output).size(),
                     static_cast<std::int64_t>(layer.op->weights.size())});
    if (most <= kMost / design.samples) continue;
    throw InputError(
        fmt::format("\"{}\": {} samples of {} cycles or elements, expected at most {} in all; take "
                    "fewer samples or more lanes",
                    layer.name, design.samples, most, kMost));
  }
}

/// All words lie in memory until the folder is written.
void require_writable(const Design& design) {
  constexpr std::int64_t kMost = std::int64_t{1} << 27;
  std::int64_t of_sample = 0, weights = 0;
  for (const auto& tensor : design.program.tensors) of_sample += tensor.size();
  for (const auto& op : design.program.ops) {
    weights += static_cast<std::int64_t>(op.weights.size());
  }
  if (of_sample <= (kMost - std::min(weights, kMost)) / design.samples) return;
  throw InputError(fmt::format(
      "samples: {}, each of {} words beside {} weights, expected at most {} words in all",
      design.samples, of_sample, weights, kMost));
}

void append(std::vector<Text>& files, const std::vector<Text>& more) {
  files.insert(files.end(), more.begin(), more.end());
}

}  // namespace

std::vector<Text> files_of(const program::Program& program, std::span<const std::int64_t> input,
                           std::int64_t samples, const Options& options) {
  if (options.lanes < 1 || options.lanes > kMostLanes) {
    throw InputError(fmt::format("lanes: {}, expected 1 to {}", options.lanes, kMostLanes));
  }
  program::require_integer(program, "the export to Verilog");
  if (samples < 1) throw InputError(fmt::format("samples: {}, expected 1 or more", samples));
  const Design design = design_of(program, samples, options.lanes);
  require_countable(design);
  require_writable(design);
  const std::vector<program::Values> values = program::execute(program, input, samples);
  std::vector<Text> files;
  std::vector<Requantizer> requantizers;
  for (const Layer& layer : design.layers) {
    const Requantizer requantizer =
        has_steps(layer) ? requantizer_of(design, layer) : Requantizer{};
    append(files, memories_of(design, layer, values));
    append(files, requantizer.files);
    append(files, wrapper_of(design, layer, requantizer));
    requantizers.push_back(requantizer);
  }
  append(files, moved_words(program, values));
  files.emplace_back("input.hex", tensor_words(program.tensor(program.input),
                                               values[static_cast<std::size_t>(program.input)]));
  append(files, parts());
  files.emplace_back("all_layers.v", all_layers_text(design));
  files.emplace_back("budget.csv", budget_text(design, requantizers));
  files.emplace_back("sources.mk", sources_text(files));
  return files;
}

void write_folder(const std::filesystem::path& folder, const std::vector<Text>& files) {
  std::vector<std::pair<std::filesystem::path, std::string>> whole;
  std::error_code none;
  for (const auto& layer : std::filesystem::directory_iterator(folder / "layers", none)) {
    if (layer.is_directory(none)) data::remove_leftovers(layer.path());
    for (const char* left : {"sums.txt", "output.txt"}) {  // by a simulation of an earlier export
      std::filesystem::remove(layer.path() / left);
    }
  }
  for (const auto& [path, text] : files) {
    whole.emplace_back(folder / path, text);
    std::error_code ignored;  // write_texts() says what is wrong with a folder that is not there
    std::filesystem::create_directories(whole.back().first.parent_path(), ignored);
  }
  data::write_texts(whole, data::Replace::kAsOne);  // without sources.mk nothing is built
}

}  // namespace qloom::exchange::verilog
