// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/cli/apply.hpp"

#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/json_array.hpp"
#include "host/cli/outputs.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/results/warnings.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;

struct ApplyCommand {
  std::string rule, mode = "training";
  std::string given;
  fs::path input, weight, calibrate, output, expect, codes, encoding;
  fs::path grad_output, grad_input, learned_gradients;
  int channel_axis = -1;
  double tolerance = 0;
  std::uint64_t seed = 1, step = 0;
};

/// Options that only make sense together.
void check_options(const ApplyCommand& o) {
  if (o.output.empty() && o.expect.empty()) {
    throw InputError("expected --output, a file for the result, or --expect, what it must be");
  }
  const bool has_gradient = !o.grad_output.empty();
  if (!has_gradient && !o.grad_input.empty()) {
    throw InputError("--grad-input: expected --grad-output too, the gradient that goes back");
  }
  if (!has_gradient && !o.learned_gradients.empty()) {
    throw InputError(
        "--learned-gradients: expected --grad-output too, the gradient that goes back");
  }
  if (has_gradient && o.grad_input.empty() && o.learned_gradients.empty()) {
    throw InputError("--grad-output: expected --grad-input or --learned-gradients too");
  }
}

Request read_request(const ApplyCommand& o) {
  Request r;
  r.x = read_array(o.input);
  if (!o.grad_output.empty()) {
    r.dy = read_array(o.grad_output);
    if (r.dy->shape() != r.x.shape()) {
      throw InputError(fmt::format("{}: shape {} differs from {} of {}", o.grad_output.string(),
                                   shape_text(r.dy->shape()), shape_text(r.x.shape()),
                                   o.input.string()));
    }
  }
  if (!o.weight.empty()) r.weight = read_array(o.weight);
  if (!o.calibrate.empty()) r.calibration = read_array(o.calibrate);
  if (!o.given.empty()) r.given = Given(o.given);
  r.wants_codes = !o.codes.empty();
  r.wants_encoding = !o.encoding.empty();
  r.channel_axis = o.channel_axis;
  r.seed = o.seed;
  r.step = o.step;
  r.mode = o.mode == "evaluate" ? Mode::kEvaluate
           : o.mode == "frozen" ? Mode::kFrozen
                                : Mode::kTraining;
  return r;
}

/// All but --input, in whose place the output may be put. Rules and given values may be inline
/// JSON, which names no file.
void add_inputs(const ApplyCommand& o, Outputs& outputs) {
  outputs.reads("RULE", o.rule);
  outputs.reads("--given", o.given);
  outputs.reads("--weight", o.weight);
  outputs.reads("--calibrate", o.calibrate);
  outputs.reads("--grad-output", o.grad_output);
  outputs.reads("--expect", o.expect);
}

void execute_apply(const ApplyCommand& o) {
  check_options(o);
  const registry::Registry registry = open_registry_to_run();
  const pipeline::Rule rule = pipeline::load_rule(o.rule, registry);
  for (const Warning& warning : rule.notes.warnings) results::print_warning(warning);
  const Request request = read_request(o);
  Outputs outputs;
  outputs.plan("--output", o.output);
  outputs.plan("--codes", o.codes);
  outputs.plan("--encoding", o.encoding);
  outputs.plan("--grad-input", o.grad_input);
  outputs.plan("--learned-gradients", o.learned_gradients);
  add_inputs(o, outputs);
  outputs.check();
  const Result result = apply_rule(rule, registry, request);
  const auto array_writer = [](const fs::path& planned, const Tensor& x) {
    return [&x, planned](const fs::path& file) { write_array(file, planned, x); };
  };
  const auto json_writer = [](const fs::path& planned, const json::Json& json) {
    return [&json, planned](const fs::path& file) {
      require_json_numbers(json, planned.string() + ": ");
      data::write_text(file, json.dump(2) + "\n");
    };
  };
  outputs.set("--output", array_writer(o.output, result.y));
  outputs.set("--codes", [&](const fs::path& file) {
    data::write_npy(file, request.x.shape(), result.codes);
  });
  outputs.set("--encoding", json_writer(o.encoding, result.encoding));
  outputs.set("--grad-input", array_writer(o.grad_input, result.dx));
  outputs.set("--learned-gradients", json_writer(o.learned_gradients, result.learned));
  outputs.commit();
  if (!o.expect.empty()) expect_array(result.y, o.expect, o.tolerance);
}

void add_files(CLI::App& command, ApplyCommand& o) {
  const auto file = [&command](const char* name, fs::path& path, const char* text) {
    return command.add_option(name, path, text)->type_name("FILE");
  };
  file("--input", o.input,
       "Array: .npy of any rank, or .json such as [[1, 2.5], [3, -4]]; finite values. float64 is "
       "rounded to the nearest float32, ties to even, and told where a value changes; integers go "
       "from -2^24 to 2^24")
      ->required();
  file("--weight", o.weight, "Accumulators: the matrix that the input is multiplied by, k x n");
  file("--calibrate", o.calibrate,
       "Quantizers: the array that range and first values come from; they are kept for the input, "
       "as "
       "in evaluation. Read as the input is");
  file("--output", o.output, "What the method makes of it: float32 .npy, or .json");
  file("--expect", o.expect, "What the output must be, .npy or .json; exit status 1 if it is not");
  file("--codes", o.codes, "Integer codes of the output: int32 .npy");
  file("--encoding", o.encoding, "How codes stand for values: JSON");
  file("--grad-output", o.grad_output, "Gradient of the output, same shape: as the input, read");
  file("--grad-input", o.grad_input, "Gradient of the input: float32 .npy");
  file("--learned-gradients", o.learned_gradients,
       "Gradients of learned parameters, name to array of values: JSON");
}

void add_given(CLI::App& command, ApplyCommand& o) {
  command
      .add_option(
          "--given", o.given,
          "Values in place of those that the method would find: a file or inline JSON. "
          R"(Quantizers: {"range": {"lo": -1, "hi": 3}}, {"scale": 0.5, "zero_point": 3}, )"
          R"({"product_scales": 0.01}, )"
          R"(learned values by name, as {"step": 0.1}. Norms: {"gamma": 2, "beta": [0, 1]}. )"
          R"(Requantizers: {"factor": 0.02, "offset": 1.5, "zero_point": 3, "code_min": 0, )"
          R"("code_max": 255}, of which only the factor must be there. )"
          "One number for all groups or channels, or one for each")
      ->type_name("GIVEN");
}

}  // namespace

void add_apply(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "apply",
      "Applies the quantizer, norm, rounding, requantizer or accumulator of one rule to an array.");
  auto options = std::make_shared<ApplyCommand>();
  command
      ->add_option("rule", options->rule,
                   "Rule of the pipeline grammar: a file or inline JSON, for instance "
                   R"('{"quantizer": {"plugin": "affine", "bits": 8}}'. A rule of nothing but )"
                   "\"rounding\" rounds to integers")
      ->required()
      ->type_name("RULE");
  add_files(*command, *options);
  add_given(*command, *options);
  command
      ->add_option("--channel-axis", options->channel_axis,
                   "Axis of the channels, for norms and granularity \"channel\"; negative counts "
                   "from the last. Default: -1")
      ->type_name("K");
  command
      ->add_option("--tolerance", options->tolerance,
                   "Largest difference that --expect lets pass. Unit: that of the output. "
                   "Default: 0")
      ->check(CLI::NonNegativeNumber)
      ->type_name("T");
  command->add_option("--seed", options->seed, "Key of the random numbers. Default: 1")
      ->check(whole_number())
      ->type_name("N");
  command->add_option("--step", options->step, "Training step of the random numbers. Default: 0")
      ->check(whole_number())
      ->type_name("N");
  command
      ->add_option("--mode", options->mode,
                   "training; evaluate: a norm's running statistics (a new norm's: those it "
                   "starts with); frozen: the same as constants. Default: training")
      ->check(one_of({"training", "evaluate", "frozen"}))
      ->type_name("MODE");
  command->callback([options, &action] { action = [options] { execute_apply(*options); }; });
}

}  // namespace qloom::cli
