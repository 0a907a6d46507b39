// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// New code for methods of a running experiment, between two steps. It is on trial for one step:
// when it fails there, the run stands again where it stood before and goes on with the old code.
#include <fmt/format.h>

#include "host/results/inputs.hpp"
#include "host/run/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {

void Trainer::watch_plugins() {
  std::set<std::filesystem::path> files;
  for (const registry::Method* method : facts_.methods) files.insert(method->library_file);
  watcher_.emplace(files);
}

void Trainer::reload_changed(Progress& progress) {
  if (!watcher_) return;
  for (const std::filesystem::path& library : watcher_->changed()) {
    const std::string name = library.filename().string();
    std::string what;
    try {
      if (!trial_) trial_.emplace(Trial{state(), facts_.inputs, {}, {}});
      reload(library);
      results::renew_plugin(facts_.inputs, library);
      trial_->events.emplace_back(facts_.reloads.size(), name);
      what = fmt::format("{}: loaded anew", name);
    } catch (const InputError& error) {
      what = fmt::format("{}; the run goes on with the old code", error.what());
    } catch (const RunError& error) {
      what = fmt::format("{}: {}; the run goes on with the old code", name, error.what());
    }
    progress.note(fmt::format("step {}: {}", cursor_.steps, what));
    facts_.reloads.push_back({{"type", "reload"},
                              {"epoch", cursor_.epochs},
                              {"step", cursor_.steps},
                              {"what", std::move(what)}});
  }
  if (trial_ && trial_->reloads.empty()) trial_.reset();
}

void Trainer::reload(const std::filesystem::path& library) {
  auto reload = std::make_unique<registry::Registry::Reload>(*registry_, library);
  std::vector<std::pair<std::size_t, methods::Procedure>> fresh;
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    const methods::Procedure& old = procedures_[i];
    if (!reload->methods().contains(&old.method())) continue;
    fresh.emplace_back(i, registry_->create(old.method(), pipeline_.procedures[i].params));
    if (old.instance().has_state()) fresh.back().second.take_state(old);
  }
  network_->renew(reload->methods());
  for (auto& [i, procedure] : fresh) procedures_[i] = std::move(procedure);
  trial_->reloads.push_back(std::move(reload));
}

void Trainer::keep_new_code() {
  for (const auto& reload : trial_->reloads) reload->keep();
  trial_.reset();
}

void Trainer::go_back(const std::string& reason, Progress& progress) {
  Trial trial = std::move(*trial_);
  trial_.reset();
  // The registry's old code, the last library first; then everything anew from what stood before.
  while (!trial.reloads.empty()) trial.reloads.pop_back();
  Json events = std::move(facts_.reloads);
  network_ = new_network();
  create_procedures();
  restore(trial.before, "the state before the new code");
  facts_.reloads = std::move(events);
  facts_.inputs = std::move(trial.inputs);
  for (const auto& [index, library] : trial.events) {
    std::string what = fmt::format(
        "{}: loaded anew, failed at its first step ({}); the run goes "
        "on with the old code",
        library, reason);
    progress.note(what);
    facts_.reloads[index]["what"] = std::move(what);
  }
}

}  // namespace qloom::run
