// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/run/reload.hpp"

#include <fmt/format.h>

#include "host/results/reuse/inputs.hpp"
#include "host/tensor/error.hpp"

namespace qloom::run {

void Reloads::watch() {
  if (!watcher_) watcher_.emplace();
  std::set<std::filesystem::path> files;
  for (const registry::Method* method : state_.facts.methods) files.insert(method->library_file);
  watcher_->watch(files);
  watched_ = state_.facts.methods.size();
}

layers::Loss Reloads::step(const std::function<layers::Loss()>& step, Progress& progress) {
  load_changed(progress);
  if (!trial_) return step();
  try {
    const layers::Loss loss = step();
    keep_new_code();
    return loss;
  } catch (const RunError& error) {
    go_back(error.what(), progress);
  } catch (const InputError& error) {
    go_back(error.what(), progress);
  }
  return step();
}

void Reloads::load_changed(Progress& progress) {
  if (!watcher_) return;
  if (watched_ != state_.facts.methods.size()) watch();  // a procedure brought methods in
  for (const std::filesystem::path& library : watcher_->changed()) {
    const std::string name = library.filename().string();
    std::string what;
    try {
      if (!trial_) trial_.emplace(Trial{arrays_of(setup_, state_), state_.facts.inputs, {}, {}});
      load(library);
      results::renew_plugin(state_.facts.inputs, library);
      trial_->events.emplace_back(state_.facts.reloads.size(), name);
      what = fmt::format("{}: loaded anew", name);
    } catch (const InputError& error) {
      what = fmt::format("{}; the run goes on with the old code", error.what());
    } catch (const RunError& error) {
      what = fmt::format("{}: {}; the run goes on with the old code", name, error.what());
    }
    progress.note(fmt::format("step {}: {}", state_.cursor.steps, what));
    state_.facts.reloads.push_back({{"type", "reload"},
                                    {"epoch", state_.cursor.epochs},
                                    {"step", state_.cursor.steps},
                                    {"what", std::move(what)}});
  }
  if (trial_ && trial_->reloads.empty()) trial_.reset();
}

void Reloads::load(const std::filesystem::path& library) {
  auto reload = std::make_unique<registry::Registry::Reload>(setup_.registry, library);
  std::vector<std::pair<std::size_t, methods::Procedure>> fresh;
  for (std::size_t i = 0; i < state_.procedures.size(); ++i) {
    const methods::Procedure& old = state_.procedures[i];
    const methods::MethodSpec spec = setup_.spec_of(setup_.pipeline.procedures[i]);
    if (!methods::is_of(setup_.registry, spec, reload->methods())) continue;
    fresh.emplace_back(i, methods::create(setup_.registry, spec));
    if (old.instance().has_state()) fresh.back().second.take_state(old);
  }
  state_.network->renew(reload->methods());
  for (auto& [i, procedure] : fresh) state_.procedures[i] = std::move(procedure);
  trial_->reloads.push_back(std::move(reload));
}

void Reloads::keep_new_code() {
  for (const auto& reload : trial_->reloads) reload->keep();
  trial_.reset();
}

void Reloads::go_back(const std::string& reason, Progress& progress) {
  Trial trial = std::move(*trial_);
  trial_.reset();
  // The registry's old code, the last library first; then everything anew from what stood before.
  while (!trial.reloads.empty()) trial.reloads.pop_back();
  Json events = std::move(state_.facts.reloads);
  state_.network = setup_.new_network();
  state_.procedures = setup_.new_procedures();
  restore(setup_, state_, trial.before, "the state before the new code");
  state_.facts.reloads = std::move(events);
  state_.facts.inputs = std::move(trial.inputs);
  for (const auto& [index, library] : trial.events) {
    std::string what = fmt::format(
        "{}: loaded anew, failed at its first step ({}); the run goes "
        "on with the old code",
        library, reason);
    progress.note(what);
    state_.facts.reloads[index]["what"] = std::move(what);
  }
}

}  // namespace qloom::run
