// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/program/sides.hpp"
#include "host/cli/program/step.hpp"
#include "host/data/streams.hpp"
#include "host/exchange/c/trace.hpp"
#include "host/exchange/verilog/trace.hpp"
#include "host/program/diff.hpp"
#include "host/program/files.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;
using program::Values;

struct DiffCommand {
  std::vector<fs::path> sides;
  std::string input;
  fs::path pipeline;
  bool is_reference = false;
  std::int64_t steps = 0;
};

/// One of the two things that are compared.
struct Side {
  enum class What { kProgram, kRun, kTrace } what;
  fs::path path;
  std::unique_ptr<program::Program> program{};  ///< kProgram
  std::unique_ptr<Runner> runner{};             ///< kProgram
  std::unique_ptr<Simulation> simulation{};     ///< kRun
  std::vector<Values> trace{};  ///< kTrace, by tensor of the program it is compared with

  /// The program that its tensors belong to; null for a trace.
  [[nodiscard]] const program::Program* names() const {
    if (simulation != nullptr) return &simulation->compiled().program;
    return program.get();
  }
};

Side open_side(const fs::path& path, const DiffCommand& options,
               const registry::Registry& registry) {
  if (fs::exists(path / "program.json")) {
    Side side{.what = Side::What::kProgram, .path = path};
    side.program = std::make_unique<program::Program>(program::read(path));
    side.runner = std::make_unique<Runner>(*side.program, options.is_reference);
    return side;
  }
  if (fs::exists(path / "report.json")) {
    return {.what = Side::What::kRun,
            .path = path,
            .simulation = std::make_unique<Simulation>(path, options.pipeline, registry)};
  }
  const bool is_file = path.extension() == ".npz" || path.extension() == ".bin";
  if ((is_file && fs::exists(path)) || exchange::verilog::is_export(path)) {
    return {.what = Side::What::kTrace, .path = path};
  }
  throw InputError(fmt::format(
      "{}: expected the folder of a program (program.json) or of a run "
      "(report.json), or a trace (.npz, .bin of an exported C program, or the folder of "
      "an exported Verilog one)",
      path.string()));
}

/// Tensors of a trace in the order of the program; InputError for one that is missing, surplus or
/// of another shape.
std::vector<Values> read_trace(const fs::path& file, const program::Program& program) {
  data::Arrays arrays = data::read_npz(file);
  std::vector<Values> tensors;
  for (const program::Tensor& tensor : program.tensors) {
    const auto found = arrays.find(tensor.name);
    if (found == arrays.end()) {
      throw InputError(fmt::format("{}: array \"{}\" is missing", file.string(), tensor.name));
    }
    const auto* values = std::get_if<Values>(&found->second.values);
    const data::Array expected = array_of(tensor, values == nullptr ? Values() : *values);
    if (values == nullptr || found->second.shape != expected.shape) {
      throw InputError(
          fmt::format("{}: array \"{}\": expected int64 of shape (samples, {}, {}, {})",
                      file.string(), tensor.name, tensor.height, tensor.width, tensor.channels));
    }
    tensors.push_back(*values);
    arrays.erase(found);
  }
  if (arrays.empty()) return tensors;
  throw InputError(fmt::format("{}: array \"{}\" is no tensor of the program", file.string(),
                               arrays.begin()->first));
}

/// The same of any trace, by what it is: all tensors of the same samples, at least one.
std::vector<Values> read_any_trace(const fs::path& path, const program::Program& program) {
  std::vector<Values> tensors =
      exchange::verilog::is_export(path) ? exchange::verilog::read_trace(path, program)
      : path.extension() == ".bin"       ? exchange::c::read_trace(path, program)
                                         : read_trace(path, program);
  std::optional<std::int64_t> samples;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const program::Tensor& tensor = program.tensors[i];
    const std::int64_t found = static_cast<std::int64_t>(tensors[i].size()) / tensor.size();
    if (!samples) samples = found;
    if (found == *samples && found > 0) continue;
    throw InputError(fmt::format("{}: \"{}\": {} samples, expected {}", path.string(), tensor.name,
                                 found, *samples > 0 ? std::to_string(*samples) : "at least one"));
  }
  return tensors;
}

/// InputError unless both programs have the same tensors.
void require_same_tensors(const Side& a, const Side& b) {
  const auto &left = a.names()->tensors, &right = b.names()->tensors;
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const bool is_same = i < left.size() && i < right.size() && left[i].name == right[i].name &&
                         left[i].height == right[i].height && left[i].width == right[i].width &&
                         left[i].channels == right[i].channels;
    if (is_same) continue;
    const auto text = [i](const auto& tensors) {
      if (i >= tensors.size()) return std::string("none");
      const program::Tensor& t = tensors[i];
      return fmt::format("\"{}\" ({}, {}, {})", t.name, t.height, t.width, t.channels);
    };
    throw InputError(fmt::format("{} and {} are no programs of one network: tensor {} is {} and {}",
                                 a.path.string(), b.path.string(), i, text(left), text(right)));
  }
}

/// Compares over the test samples of the run that one of the sides is.
void compare_on_test_set(Side& a, Side& b, const std::string& input, program::Diff& diff) {
  Simulation& simulation = a.simulation != nullptr ? *a.simulation : *b.simulation;
  if (input.ends_with(".npy")) {
    throw InputError(
        fmt::format("--input: \"{}\": a .npy file is for two programs; beside a run expected "
                    "test:FIRST..LAST within test:0..{}",
                    input, simulation.samples() - 1));
  }
  const Samples samples = input.empty() ? Samples{0, simulation.samples() - 1}
                                        : samples_of(input, simulation.samples());
  const std::int64_t size = simulation.batch_size();
  if (samples.first % size != 0) {
    throw InputError(
        fmt::format("--input: first sample {}, expected a multiple of the batch size "
                    "{}: an evaluation sees whole batches",
                    samples.first, size));
  }
  for (std::int64_t first = samples.first; first <= samples.last; first += size) {
    const auto i = static_cast<std::uint64_t>(first / size);
    const std::vector<Values> simulated = simulation.batch(i);
    const auto values_of = [&](Side& side) {
      if (side.simulation.get() == &simulation) return simulated;
      if (side.simulation != nullptr) return side.simulation->batch(i);
      return side.runner->trace(simulated[static_cast<std::size_t>(side.program->input)],
                                simulation.size());
    };
    const std::vector<Values> left = values_of(a), right = values_of(b);
    diff.add(first, simulation.size(), left, right);
  }
}

/// Compares on the rows of an array, or on what a trace holds.
void compare_on_array(Side& a, Side& b, const std::string& input, program::Diff& diff) {
  const program::Program& program = *(a.names() != nullptr ? a.names() : b.names());
  std::int64_t samples = 0;
  Values x;
  for (Side* side : {&a, &b}) {
    if (side->what != Side::What::kTrace) continue;
    side->trace = read_any_trace(side->path, program);
    x = side->trace[static_cast<std::size_t>(program.input)];
  }
  if (x.empty()) x = read_input(input, program, samples);
  samples = static_cast<std::int64_t>(x.size()) / program.tensor(program.input).size();
  const auto values_of = [&](const Side& side) {
    return side.what == Side::What::kTrace ? side.trace : side.runner->trace(x, samples);
  };
  diff.add(0, samples, values_of(a), values_of(b));
}

/// Is one of the sides a step program? Then the other is its run.
bool diff_steps(const DiffCommand& options) {
  const std::vector<fs::path>& sides = options.sides;
  if (!is_step_program(sides[0]) && !is_step_program(sides[1])) {
    if (options.steps != 0) throw InputError("--steps: neither side is a step program (step.json)");
    return false;
  }
  if (!options.input.empty()) {
    throw InputError("--input: expected none beside a step program, which takes a run's batches");
  }
  diff_steps_command({sides[0], sides[1], options.pipeline, options.steps});
  return true;
}

void diff_sides(const DiffCommand& options) {
  if (diff_steps(options)) return;
  const registry::Registry registry = open_registry_to_run();
  Side a = open_side(options.sides[0], options, registry);
  Side b = open_side(options.sides[1], options, registry);
  const bool has_run = a.simulation != nullptr || b.simulation != nullptr;
  const bool has_trace = a.what == Side::What::kTrace || b.what == Side::What::kTrace;
  if (a.names() == nullptr && b.names() == nullptr) {
    throw InputError(
        "two traces: expected a program or a run on one side, which knows the tensors");
  }
  if (has_run && has_trace) {
    throw InputError("a run and a trace: expected a program beside the trace");
  }
  if (has_trace && !options.input.empty()) {
    throw InputError("--input: expected none beside a trace, which has its own samples");
  }
  if (!has_run && !options.pipeline.empty()) {
    throw InputError("--pipeline: expected none where neither side is a run");
  }
  if (!has_run && !has_trace && options.input.empty()) {
    throw InputError("--input is missing: two programs are compared on a .npy file");
  }
  if (!has_trace) require_same_tensors(a, b);
  program::Diff diff(*(a.names() != nullptr ? a.names() : b.names()));
  if (has_run) {
    compare_on_test_set(a, b, options.input, diff);
  } else {
    compare_on_array(a, b, options.input, diff);
  }
  data::print("{}", diff.text(a.path.string(), b.path.string()));
  if (diff.differs()) {
    throw RunError(fmt::format("{} and {} differ", a.path.string(), b.path.string()));
  }
}

}  // namespace

void add_diff(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "diff", "Compares every tensor of a run, a program or a trace; status 1 where they differ.");
  auto options = std::make_shared<DiffCommand>();
  command
      ->add_option(
          "sides", options->sides,
          "Folder of a program or of a run, and another one or a trace (.npz; .bin: of exported C; "
          "folder of exported Verilog)")
      ->required()
      ->expected(2)
      ->type_name("A B");
  command
      ->add_option("--input", options->input,
                   "test:FIRST..LAST of the run's test set, in whole batches (default: all of it), "
                   "or a .npy file for two programs")
      ->type_name("SAMPLES");
  command
      ->add_option(
          "--pipeline", options->pipeline,
          "Where the run's pipeline file lies now: paths of the run start from its folder; what it "
          "holds is not read, the report has it. Default: where it lay then")
      ->type_name("PIPELINE.json");
  command->add_flag("--reference", options->is_reference,
                    "Runs programs in the plain loops that define what they compute");
  command
      ->add_option("--steps", options->steps,
                   "Of a run and its step program: so many steps of training. Default: all")
      ->check(count())
      ->type_name("N");
  command->callback([options, &action] { action = [options] { diff_sides(*options); }; });
}

}  // namespace qloom::cli
