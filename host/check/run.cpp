// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The driver: every check of every method in a process of its own.
#include <algorithm>
#include <list>
#include <new>
#include <sstream>

#include <fmt/format.h>
#include <omp.h>
#include <sys/mman.h>

#include "host/check/check.hpp"
#include "host/check/checks/checks.hpp"
#include "host/check/watch/child.hpp"
#include "host/json/names.hpp"
#include "host/json/text.hpp"
#include "host/tensor/error.hpp"

namespace qloom::check {
namespace fs = std::filesystem;
namespace {

bool has_word(const char* words, const std::string& word) {
  std::istringstream in(words);
  for (std::string w; in >> w;) {
    if (w == "*" ? word != "library" : w == word) return true;
  }
  return false;
}

/// Text that a child writes and its parent reads after it has crashed.
class SharedPlace {
 public:
  SharedPlace()
      : memory_(::mmap(nullptr, Context::kPlaceBytes, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~SharedPlace() { ::munmap(memory_, Context::kPlaceBytes); }
  SharedPlace(const SharedPlace&) = delete;
  SharedPlace& operator=(const SharedPlace&) = delete;
  [[nodiscard]] char* text() const { return static_cast<char*>(memory_); }

 private:
  void* memory_;
};

/// One check of one method (or of the library, when method is null).
struct Task {
  const Check* check;
  const registry::Method* method;
};

class Driver {
 public:
  Driver(const registry::Registry& registry, fs::path library, const Settings& settings)
      : registry_(registry), library_(std::move(library)), settings_(settings) {}

  [[nodiscard]] bool is_chosen(const Check& check) const {
    const auto& only = settings_.only;
    if (!only.empty()) return std::find(only.begin(), only.end(), check.name) != only.end();
    return check.level <= settings_.level;
  }

  [[nodiscard]] std::vector<Task> tasks_of(const registry::Method* method) const {
    const std::string kind = method == nullptr ? "library" : method->kind;
    std::vector<Task> tasks;
    for (const Check& check : all_checks()) {
      if (has_word(check.kinds, kind) && is_chosen(check)) tasks.push_back({&check, method});
    }
    return tasks;
  }

  /// Results in the order of the tasks.
  [[nodiscard]] std::vector<Result> run(const std::vector<Task>& tasks) const {
    std::vector<Result> results;
    if (settings_.in_process) {
      for (const Task& task : tasks) results.push_back(run_here(task));
      return results;
    }
    results.resize(tasks.size());
    std::list<Running> running;
    for (std::size_t next = 0; next < tasks.size() || !running.empty();) {
      while (next < tasks.size() && running.size() < std::max(1U, settings_.jobs)) {
        auto place = std::make_unique<SharedPlace>();
        char* const text = place->text();
        running.push_back({next, now(), std::move(place), start(tasks[next], text)});
        ++next;
      }
      std::vector<Child*> children;
      for (Running& r : running) children.push_back(&r.child);
      wait_for_any(children);
      std::erase_if(running, [&](Running& r) {
        if (!r.child.advance()) return false;
        results[r.index] = result_of(tasks[r.index], r);
        return true;
      });
    }
    return results;
  }

 private:
  struct Running {
    std::size_t index;
    double begin;
    std::unique_ptr<SharedPlace> place;
    Child child;
  };

  [[nodiscard]] Result empty_result(const Task& task) const {
    Result result;
    result.check = task.check;
    if (task.method != nullptr) result.method = task.method->kind + " " + task.method->id;
    return result;
  }

  void run_check(const Task& task, char* place, Result& result) const {
    Context context(registry_, task.method, library_, settings_, place);
    try {
      task.check->run(context);
    } catch (const std::exception& e) {  // what the host says of the plugin
      context.find(e.what());
    }
    result.findings = context.findings();
    result.was_skipped = context.was_skipped();
    result.remark = context.remark();
  }

  [[nodiscard]] Result run_here(const Task& task) const {
    Result result = empty_result(task);
    const double begin = now();
    run_check(task, nullptr, result);
    result.seconds = now() - begin;
    return result;
  }

  [[nodiscard]] Child start(const Task& task, char* place) const {
    const auto function = [this, &task, place] {
      omp_set_num_threads(1);  // checks that are about threads ask for more
      // What a method logs is right; what it prints itself is not.
      registry::set_log([](std::int32_t, const char*) noexcept {});
      Result result;
      run_check(task, place, result);
      Json out{
          {"skipped", result.was_skipped}, {"remark", result.remark}, {"findings", Json::array()}};
      for (const Finding& f : result.findings) {
        out["findings"].push_back({{"place", f.place}, {"what", f.what}});
      }
      return out.dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    return {function, settings_.seconds};
  }

  [[nodiscard]] Result result_of(const Task& task, const Running& running) const {
    Result result = empty_result(task);
    result.seconds = now() - running.begin;
    const Ended ended = running.child.ended();
    if (!ended.fault.empty()) {
      result.findings.push_back(
          {running.place->text(), fmt::format("its process was ended by {}{}{}", ended.fault,
                                              ended.words.empty() ? "" : ": ", ended.words)});
      return result;
    }
    result.printed = ended.printed;
    Json out;
    try {
      out = json::parse(ended.text, "result");
    } catch (const InputError&) {
      result.findings.push_back({running.place->text(), "wrote to a file that it did not open"});
      return result;
    }
    result.was_skipped = out["skipped"];
    result.remark = out["remark"];
    for (const Json& f : out["findings"]) result.findings.push_back({f["place"], f["what"]});
    return result;
  }

  const registry::Registry& registry_;
  fs::path library_;
  const Settings& settings_;
};

void require_known(const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const Check& check : all_checks()) known.push_back(check.name);
  for (const std::string& wanted : names) {
    if (std::find(known.begin(), known.end(), wanted) != known.end()) continue;
    const std::string nearest = json::nearest_name(wanted, known);
    throw InputError(fmt::format(
        "there is no check \"{}\"{}", wanted,
        nearest.empty() ? "; --list shows all" : ", did you mean \"" + nearest + "\"?"));
  }
}

void add(Report& report, std::vector<Result> results) {
  for (Result& result : results) report.results.push_back(std::move(result));
}

/// What the plugin printed in any of the checks is one finding, of the check that promises silence
/// where it was run.
void note_printing(std::vector<Result>& results) {
  const auto first = std::find_if(results.begin(), results.end(), [](const Result& r) {
    return !r.printed.empty() && r.findings.empty();
  });
  if (first == results.end()) return;
  const auto process = std::find_if(results.begin(), results.end(), [](const Result& r) {
    return std::string_view(r.check->name) == "process";
  });
  Result& place = process == results.end() ? *first : *process;
  place.findings.push_back({fmt::format("in the check {}", first->check->name),
                            fmt::format("wrote to {}", first->printed)});
}

void run_all(const registry::Registry& registry, const Settings& settings, Report& report) {
  const Driver driver(registry, report.library, settings);
  add(report, driver.run(driver.tasks_of(nullptr)));
  for (const registry::Method& method : registry.methods()) {
    std::vector<Task> tasks = driver.tasks_of(&method);
    const auto creation = std::find_if(tasks.begin(), tasks.end(), [](const Task& t) {
      return std::string_view(t.check->name) == "creation";
    });
    if (creation != tasks.end()) {  // nothing else can be said of what cannot be created
      std::vector<Result> first = driver.run({*creation});
      const bool is_created = first.front().findings.empty();
      add(report, std::move(first));
      if (!is_created) continue;
      tasks.erase(creation);
    }
    std::vector<Result> results = driver.run(tasks);
    note_printing(results);
    add(report, std::move(results));
  }
}

}  // namespace

bool Report::is_sound() const { return finding_count() == 0; }

std::size_t Report::finding_count() const {
  std::size_t count = 0;
  for (const Result& r : results) count += r.findings.size();
  return count;
}

fs::path manifest_of(const fs::path& plugin) {
  if (!fs::exists(plugin)) {
    throw InputError(fmt::format("{}: there is no such file", plugin.string()));
  }
  const fs::path full = fs::canonical(plugin);
  const fs::path folder = fs::is_directory(full) ? full : full.parent_path();
  const fs::path manifest = folder / "plugin.json";
  const fs::path library = folder / (folder.filename().string() + ".so");
  if (!fs::is_regular_file(manifest)) {
    throw InputError(fmt::format("{}: a plugin's plugin.json lies beside it; there is no {}",
                                 plugin.string(), manifest.string()));
  }
  if (full != folder && full != manifest && full != library) {
    throw InputError(fmt::format("{}: the host looks for the library of {} under the name {}",
                                 plugin.string(), manifest.string(), library.string()));
  }
  return manifest;
}

Report run(const fs::path& plugin, const Settings& settings) {
  require_known(settings.only);
  const fs::path manifest = manifest_of(plugin), folder = manifest.parent_path();
  Report report;
  report.library = folder / (folder.filename().string() + ".so");
  report.seed = settings.seed;
  try {
    const registry::Registry registry = registry::Registry::of_manifest(manifest);
    run_all(registry, settings, report);
  } catch (const InputError& e) {
    static constexpr Check kReading{"reading", "library", Level::kAbi,
                                    "plugin.json follows its schema", nullptr};
    Result result;
    result.check = &kReading;
    result.findings.push_back({"", e.what()});
    report.results.push_back(std::move(result));
  }
  return report;
}

std::string digests(const fs::path& plugin, const Settings& settings) {
  const fs::path manifest = manifest_of(plugin);
  const registry::Registry registry = registry::Registry::of_manifest(manifest);
  std::string text;
  for (const registry::Method& method : registry.methods()) {
    Context context(registry, &method, manifest.parent_path(), settings, nullptr);
    std::istringstream lines(digests(context));
    for (std::string line; std::getline(lines, line);) {
      text += fmt::format("{} {}: {}\n", method.kind, method.id, line);
    }
  }
  return text;
}

}  // namespace qloom::check
