// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/cli/commands.hpp"
#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
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
  fs::path run, output;
  std::string format;
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

void export_formats(const ExportCommand& options) {
  const fs::path folder = options.output.empty() ? options.run : options.output;
  const Json file = results::formats_file(report_with_formats(options.run));
  data::require_writable_folder(folder);
  const data::Claim claim(folder);  // what a run is writing there is left to that run
  const fs::path text = folder / "formats.json", table = folder / "formats.csv";
  data::write_texts({{text, file.dump(2) + "\n"}, {table, results::formats_csv(file)}});
  for (const Json& entry : file["sites"]) {
    if (entry["use"] != "none") continue;
    data::say("{}: {} of \"{}\": {}\n", text.string(), entry["site"].get<std::string>(),
              entry["layer"].get<std::string>(), entry["message"].get<std::string>());
  }
  data::print("{}\n{}\n", text.string(), table.string());
}

}  // namespace

void add_export(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand(
      "export", "Writes what a finished run found in a form that other programs read.");
  auto options = std::make_shared<ExportCommand>();
  command->add_option("run", options->run, "Output folder of a run")->required()->type_name("RUN");
  command
      ->add_option("--format", options->format,
                   "formats: bits, scale, binary point and zero point of every site, as "
                   "formats.json, which \"formats\" of a pipeline takes, and formats.csv")
      ->required()
      ->check(one_of({"formats"}))
      ->type_name("FORMAT");
  command->add_option("--output", options->output, "Folder of the files. Default: the run's")
      ->type_name("DIR");
  command->callback([options, &action] { action = [options] { export_formats(*options); }; });
}

}  // namespace qloom::cli
