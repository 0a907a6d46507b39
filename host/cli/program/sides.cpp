// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/program/sides.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include <fmt/format.h>

#include "host/compile/repeatable.hpp"
#include "host/compile/summary.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

using program::Values;

/// A shape without its axes of length 1.
Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

/// InputError where an activation is quantized that nothing has found a range for: compiling
/// evaluates the network, which evaluation alone cannot.
void require_ranges(network::Network& network, const std::string& run) {
  for (const auto& node : network.plan.nodes()) {
    if (node->type != network::Node::Type::kQuantize || node->site->is_known()) continue;
    throw InputError(fmt::format(
        "{}: {}: no range is known: the rule acts on no stage that trains or calibrates; expected "
        "a stage {{\"calibrate\": {{}}}} behind the one from which it acts",
        run, node->keys[0].text()));
  }
}

}  // namespace

compile::Pixels pixels_of(const run::Batches& batches) {
  const data::Split& test = batches.dataset.test;
  compile::Pixels pixels;
  if (test.bytes.empty()) return pixels;
  constexpr std::int64_t kBytes = 256;
  pixels.channels = test.channels;
  data::Split split;
  split.count = kBytes;
  split.height = split.width = 1;
  split.channels = test.channels;
  for (std::int64_t i = 0; i < kBytes * test.channels; ++i) {
    split.bytes.push_back(static_cast<std::uint8_t>(i / test.channels));
  }
  split.labels.assign(kBytes, 0);
  std::vector<std::int32_t> order(kBytes), labels(kBytes);
  std::iota(order.begin(), order.end(), 0);
  pixels.values.resize(split.bytes.size());
  data::make_batch(batches.dataset, split, batches.normalisation, order.data(), 0, kBytes,
                   pixels.values.data(), labels.data());
  return pixels;
}

Simulation::Simulation(const std::filesystem::path& run, const std::filesystem::path& pipeline_file,
                       const registry::Registry& registry, const compile::Options& options)
    : run_(run, pipeline_file, registry),
      walk_(run_.batches().test()),
      pixels_(pixels_of(run_.batches())) {
  walk_.load(0);
  require_ranges(run_.network(), run.string());
  std::vector<compile::Refusal> random =
      compile::random_places(run_.network(), walk_.images(), run_.evaluation(0));
  compiled_ = compile::compile(run_.network(), pixels_, options);
  compiled_.refusals.insert(compiled_.refusals.end(), random.begin(), random.end());
  if (!compiled_.refusals.empty()) {
    throw InputError(fmt::format("{}: {} places of the network have no integer form{}",
                                 run.string(), compiled_.refusals.size(),
                                 compile::text_of(compiled_.refusals)));
  }
}

void Simulation::forward(std::uint64_t i) {
  walk_.load(i);
  run_.network().plan.forward(walk_.images(), run_.evaluation(i));
}

std::vector<Values> Simulation::batch(std::uint64_t i) {
  forward(i);
  std::vector<Values> tensors = compile::simulated(compiled_, run_.network());
  const data::Split& test = run_.batches().dataset.test;
  if (test.bytes.empty()) return tensors;
  const std::int64_t pixels = test.height * test.width * test.channels;
  const auto* bytes = test.bytes.data() + static_cast<std::int64_t>(i) * batch_size() * pixels;
  tensors[static_cast<std::size_t>(compiled_.program.input)].assign(bytes, bytes + size() * pixels);
  return tensors;
}

Runner::Runner(const program::Program& program, bool is_reference)
    : program_(program),
      executor_(is_reference ? nullptr : std::make_unique<program::Executor>(program)) {}

std::vector<program::Values> Runner::trace(const program::Values& input,
                                           std::int64_t samples) const {
  return executor_ == nullptr ? program::execute(program_, input, samples)
                              : executor_->trace(input, samples);
}

std::vector<program::Values> Runner::outputs(const program::Values& input,
                                             std::int64_t samples) const {
  if (executor_ != nullptr) return executor_->outputs(input, samples);
  std::vector<program::Values> tensors = program::execute(program_, input, samples), outputs;
  for (const int output : program_.outputs) {
    outputs.push_back(std::move(tensors[static_cast<std::size_t>(output)]));
  }
  return outputs;
}

Samples samples_of(const std::string& text, std::int64_t count) {
  Samples samples;
  const std::size_t dots = text.find("..");
  const auto number = [&](std::size_t from, std::size_t to, std::int64_t& value) {
    const char *begin = text.data() + from, *end = text.data() + to;
    const auto [rest, error] = std::from_chars(begin, end, value);
    return error == std::errc() && rest == end && begin != end;
  };
  const bool is_range = text.starts_with("test:") && dots != std::string::npos &&
                        number(5, dots, samples.first) &&
                        number(dots + 2, text.size(), samples.last);
  if (!is_range || samples.first < 0 || samples.last < samples.first || samples.last >= count) {
    throw InputError(fmt::format("--input: \"{}\", expected test:FIRST..LAST within test:0..{}",
                                 text, count - 1));
  }
  return samples;
}

Values read_input(const std::filesystem::path& file, const program::Program& program,
                  std::int64_t& samples) {
  const data::Array array = data::read_npy_integers(file);
  const program::Tensor& input = program.tensor(program.input);
  Values values = std::get<Values>(array.values);
  const auto size = static_cast<std::size_t>(input.size());
  const Shape sample =
      array.shape.empty() ? Shape() : Shape(array.shape.begin() + 1, array.shape.end());
  if (values.empty() ||
      without_ones(sample) != without_ones({input.height, input.width, input.channels})) {
    throw InputError(fmt::format("{}: shape ({}), expected (samples, {}, {}, {})", file.string(),
                                 fmt::join(array.shape, ", "), input.height, input.width,
                                 input.channels));
  }
  const steps::Interval range = input.type.values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= range.lo && values[i] <= range.hi) continue;
    throw InputError(fmt::format("{}: element {} is {}, expected {} to {} ({})", file.string(), i,
                                 values[i], range.lo, range.hi, input.type.text()));
  }
  samples = static_cast<std::int64_t>(values.size() / size);
  return values;
}

data::Array array_of(const program::Tensor& tensor, const Values& values) {
  const std::int64_t samples = static_cast<std::int64_t>(values.size()) / tensor.size();
  return {{samples, tensor.height, tensor.width, tensor.channels}, values};
}

}  // namespace qloom::cli
