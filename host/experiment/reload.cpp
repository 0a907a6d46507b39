// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// New code for methods of a running experiment, between two steps.
#include <fmt/format.h>

#include "host/experiment/inputs.hpp"
#include "host/experiment/trainer.hpp"
#include "host/tensor/error.hpp"

namespace qloom::experiment {

void Trainer::watch_plugins() {
  std::set<std::filesystem::path> files;
  for (const registry::Method* method : methods_) files.insert(method->library_file);
  watcher_.emplace(files);
}

void Trainer::reload_changed(Progress& progress) {
  if (!watcher_) return;
  for (const std::filesystem::path& library : watcher_->changed()) {
    std::string what;
    try {
      reload(library);
      renew_plugin(inputs_, library);
      what = fmt::format("{}: loaded anew", library.filename().string());
    } catch (const InputError& error) {
      what = fmt::format("{}; the run goes on with the old code", error.what());
    } catch (const RunError& error) {
      what = fmt::format("{}: {}; the run goes on with the old code", library.filename().string(),
                         error.what());
    }
    progress.note(fmt::format("step {}: {}", cursor_.steps, what));
    reloads_.push_back({{"type", "reload"},
                        {"epoch", cursor_.epochs},
                        {"step", cursor_.steps},
                        {"what", std::move(what)}});
  }
}

void Trainer::reload(const std::filesystem::path& library) {
  registry::Registry::Reload reload(*registry_, library);
  std::vector<std::pair<std::size_t, registry::Instance>> fresh;
  for (std::size_t i = 0; i < procedures_.size(); ++i) {
    const registry::Instance& old = procedures_[i];
    if (!reload.methods().contains(&old.method())) continue;
    fresh.emplace_back(i, registry_->create(old.method(), pipeline_.procedures[i].params));
    if (old.has_state()) fresh.back().second.load(old.save(), old.state_version());
  }
  network_.renew(reload.methods());
  for (auto& [i, instance] : fresh) procedures_[i] = std::move(instance);
  reload.keep();
}

}  // namespace qloom::experiment
