// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/results/page.hpp"

#include <optional>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/data/claim.hpp"
#include "host/data/input_file.hpp"
#include "host/data/json_file.hpp"
#include "host/tensor/error.hpp"

namespace qloom::results {
namespace {

namespace fs = std::filesystem;
using json::Json;

constexpr std::size_t kMostDetailed = 64;  // runs whose tensors a page shows: some 100 KiB each

/// <program folder>/../share/qloom/report, else the build tree's.
fs::path template_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path installed = program.parent_path() / "../share/qloom/report";
    if (fs::is_directory(installed)) return installed.lexically_normal();
  }
  return QLOOM_BUILD_REPORT;
}

void replace(std::string& text, const std::string& mark, const std::string& by) {
  const std::size_t at = text.find(mark);
  if (at != std::string::npos) text.replace(at, mark.size(), by);
}

std::string html_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return safe;
}

/// JSON that may stand inside a script element: no "<", which could end it.
std::string script_text(const Json& json) {
  std::string safe;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    safe += c == '<' ? "\\u003c" : std::string(1, c);
  }
  return safe;
}

/// The rows' runs with their reports; a run that failed or whose folder is gone has none.
Json runs_of(const Json& rows, const fs::path& folder) {
  std::size_t count = 0;
  for (const Json& row : rows) count += row.value("runs", Json::array()).size();
  Json runs = Json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const Json& run : rows[i].value("runs", Json::array())) {
      const fs::path file = folder / run["folder"].get<std::string>() / "report.json";
      std::error_code ignored;  // of a link that leads nowhere: no report, either
      if (run.value("status", "done") != "done" || !fs::exists(file, ignored)) continue;
      Json report = data::read_json(file);
      if (count > kMostDetailed) report.erase("layer_statistics");
      runs.push_back({{"row", i},
                      {"seed", run["seed"]},
                      {"folder", run["folder"]},
                      {"report", std::move(report)}});
    }
  }
  return runs;
}

Json table_data(const char* kind, const Json& table, const fs::path& folder) {
  const std::string title = fs::weakly_canonical(folder).filename().string();
  Json rows = table.at("rows");
  for (Json& row : rows) {
    if (!row.contains("label")) row["label"] = row.at("name");
  }
  Json data{{"kind", kind},
            {"title", table.value("name", title)},
            {"columns", table.value("columns", Json::array())},
            {"pointers", table.value("pointers", Json::array())}};
  data["runs"] = runs_of(rows, folder);
  data["rows"] = std::move(rows);
  return data;
}

/// What page_data() has read, and all that lies beside it and is a result.
std::vector<data::InputFile> files_of_page(const Json& page, const fs::path& folder) {
  const std::string place = "folder \"" + folder.string() + '"';
  std::vector<data::InputFile> files;
  const auto add = [&](const fs::path& of) {
    for (const char* name : {"report.json", "checkpoint.npz", "compare.json", "compare.csv",
                             "results.json", "results.csv"}) {
      files.push_back({place, of / name});
    }
  };
  add(folder);
  for (const Json& run : page.at("runs")) add(folder / run.at("folder").get<std::string>());
  return files;
}

}  // namespace

Json run_page(const Json& report) {
  Json data{{"kind", "run"}, {"title", report.at("name")}};
  for (const char* key : {"rows", "columns", "pointers", "runs"}) data[key] = Json::array();
  data["runs"].push_back(
      {{"row", 0}, {"seed", report.at("seed")}, {"folder", ""}, {"report", report}});
  return data;
}

Json compare_page(const Json& table, const fs::path& folder) {
  return table_data("compare", table, folder);
}

Json sweep_page(const Json& results, const fs::path& folder) {
  return table_data("sweep", results, folder);
}

Json page_data(const fs::path& folder) {
  const auto file = [&folder](const char* name) { return folder / name; };
  try {
    if (fs::exists(file("results.json"))) {
      return sweep_page(data::read_json(file("results.json")), folder);
    }
    if (fs::exists(file("compare.json"))) {
      return compare_page(data::read_json(file("compare.json")), folder);
    }
    if (fs::exists(file("report.json"))) return run_page(data::read_json(file("report.json")));
  } catch (const Json::exception& error) {
    throw InputError(
        fmt::format("{}: not a result that qloom wrote: {}", folder.string(), error.what()));
  }
  throw InputError(fmt::format(
      "{}: no such file; expected the folder of a run, a comparison (compare.json) or a sweep "
      "(results.json)",
      file("report.json").string()));
}

std::string page_text(const Json& data) {
  const fs::path parts = template_folder();
  std::string page = data::read_text(parts / "page.html");
  replace(page, "{{title}}", html_text(data["title"].get<std::string>()));
  replace(page, "{{style}}", data::read_text(parts / "page.css"));
  replace(page, "{{chart}}", data::read_text(parts / "chart.min.js"));
  std::string script;
  for (const char* name : {"data.js", "charts.js", "page.js"}) {
    script += data::read_text(parts / name);
  }
  replace(page, "{{script}}", script);
  replace(page, "{{data}}", script_text(data));
  return page;
}

fs::path write_page(const fs::path& folder, const fs::path& file) {
  const fs::path output = file.empty() ? folder / "report.html" : file;
  std::optional<data::Claim> claim;  // what a run is writing in the folder is left to that run
  if (file.empty() && fs::is_directory(folder)) claim.emplace(folder);
  const Json page = page_data(folder);
  data::require_inputs_kept(files_of_page(page, folder), {output});
  data::write_text(output, page_text(page));
  return output;
}

}  // namespace qloom::results
