// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/cli/program/export_program.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/input_file.hpp"
#include "host/data/json_file.hpp"
#include "host/data/streams.hpp"
#include "host/data/temporary.hpp"
#include "host/json/validate.hpp"
#include "host/results/formats/formats.hpp"
#include "host/tensor/error.hpp"

namespace qloom::cli {
namespace {

namespace fs = std::filesystem;
using json::Json;

struct ExportCommand {
  fs::path from, output, input;
  std::string format, style;
  std::int64_t lanes = 1;
};

/// The report of a finished run with its formats.
Json report_with_formats(const fs::path& run) {
  const fs::path file = run / "report.json";
  if (!fs::exists(file)) {
    throw InputError(fmt::format("{}: no such file; expected the output folder of a finished run",
                                 file.string()));
  }
  const Json report = data::read_json(file);
  const std::string place = file.string() + ": ";
  if (!report.is_object() || !report.contains("name") ||
      !report.value("sections", Json::object()).contains("formats")) {
    throw InputError(place +
                     "/sections: \"formats\" is missing; another version of qloom wrote it");
  }
  const Json schema = registry::read_schema("formats");
  static_cast<void>(json::validate(schema, results::formats_file(report), place));
  return report;
}

void refuse_options_of_verilog(const ExportCommand& options) {
  if (options.input.empty() && options.lanes == 1) return;
  throw InputError("--lanes and --input are for --format verilog");
}

void refuse_style(const ExportCommand& options) {
  if (options.style.empty()) return;
  throw InputError("--style is for --format c");
}

void export_formats(const ExportCommand& options) {
  refuse_options_of_verilog(options);
  refuse_style(options);
  const fs::path folder = options.output.empty() ? options.from : options.output;
  const Json file = results::formats_file(report_with_formats(options.from));
  const fs::path text = folder / "formats.json", table = folder / "formats.csv";
  data::require_inputs_kept({{"from", options.from / "report.json"}}, {text, table});
  data::require_writable_folder(folder);
  const data::Claim claim(folder);  // what a run is writing there is left to that run
  data::write_texts({{text, file.dump(2) + "\n"}, {table, results::formats_csv(file)}});
  for (const Json& entry : file["sites"]) {
    if (entry["use"] != "none") continue;
    data::say("{}: {} of \"{}\": {}\n", text.string(), entry["site"].get<std::string>(),
              entry["layer"].get<std::string>(), entry["message"].get<std::string>());
  }
  data::print("{}\n{}\n", text.string(), table.string());
}

void export_program(const ExportCommand& options) {
  if (options.output.empty()) {
    throw InputError(fmt::format("--output is required with --format {}", options.format));
  }
  if (options.format == "c") {
    refuse_options_of_verilog(options);
    return export_c(
        options.from, options.output,
        options.style == "calls" ? exchange::c::Style::kCalls : exchange::c::Style::kPlain);
  }
  refuse_style(options);
  export_verilog({.program = options.from,
                  .output = options.output,
                  .input = options.input,
                  .lanes = options.lanes});
}

/// --style of C.
void add_style(CLI::App& command, ExportCommand& options) {
  command
      .add_option("--style", options.style,
                  "c: plain, all in model.c (the default), or calls: model.c calls a table of "
                  "five functions, model_kernels.c, into which other kernels can be put")
      ->check(one_of({"plain", "calls"}))
      ->type_name("STYLE");
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "export", "Writes a run, a program or a step program in a form that other programs read.");
  auto options = std::make_shared<ExportCommand>();
  command
      ->add_option(
          "from", options->from,
          "Output folder of a run (formats), folder of an integer program (c, verilog) or of a "
          "step program (c)")
      ->required()
      ->type_name("FOLDER");
  command
      ->add_option("--format", options->format,
                   "formats: bits, scale, binary point and zero point of every site, as "
                   "formats.json, which \"formats\" of a pipeline takes, and formats.csv. "
                   "c: model.c and model.h, C99 without heap, floating point or library, and a "
                   "harness model_main.c. "
                   "verilog: memory files, golden words and a test bench that recomputes every "
                   "layer")
      ->required()
      ->check(one_of({"formats", "c", "verilog"}))
      ->type_name("FORMAT");
  command
      ->add_option("--output", options->output,
                   "Folder of the files. Default for formats: the run's")
      ->type_name("DIR");
  add_style(*command, *options);
  command
      ->add_option("--lanes", options->lanes, "verilog: products of a layer in a clock. Default: 1")
      ->type_name("N");
  command
      ->add_option("--input", options->input,
                   "verilog: samples of the golden words, integers in a .npy file. Default: one "
                   "sample of random codes")
      ->type_name("FILE");
  command->callback([options, &action] {
    action = [options] {
      options->format == "formats" ? export_formats(*options) : export_program(*options);
    };
  });
}

}  // namespace qloom::cli
