// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a result was computed from beside its configuration and seed. A result whose inputs are as
// they were can be used again; any other cannot (docs/runs.md).
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "host/pipeline/pipeline.hpp"
#include "host/registry/registry.hpp"

namespace qloom::results {

/// A program, a library, a plugin's library, a data file, a file of weights.
///
/// "inputs" of report.json and of a checkpoint: {"files": [{"what", "name", "bytes", "digest"}],
/// "start_from": the same of the run that this one started from}. A file's name has no folder, so
/// that the same run elsewhere has the same report; the pipeline says where its files are, the
/// registry where its plugins are.
///
/// Files that are no regular files have no "digest": nobody can tell whether they changed.
/// `methods` are those whose code is used. The program's own shared libraries are told by the build
/// id that their linker gave them, read from what is loaded.
[[nodiscard]] json::Json inputs_of(const pipeline::Pipeline& pipeline,
                                   const std::set<const registry::Method*>& methods);

/// A method that came in during the run: its library is an input, too.
void add_plugins(json::Json& inputs, const std::set<const registry::Method*>& methods);

/// After a library was loaded anew: its entry says what it is now.
void renew_plugin(json::Json& inputs, const std::filesystem::path& library);

/// What differs now from what `inputs` says: "quantizer.lsq.so and train.npz changed". Empty: the
/// same run would compute the same. "inputs" of another form, or none, are a difference, never an
/// error.
[[nodiscard]] std::string changes_since(const json::Json& inputs,
                                        const pipeline::Pipeline& pipeline,
                                        const registry::Registry& registry);

/// What the files of a run look like before they are read, to tell later whether what was read is
/// what lies there now.
class InputStamps {
 public:
  InputStamps(const pipeline::Pipeline& pipeline, const registry::Registry& registry);
  /// InputError that names a file which was written since.
  void require_unchanged(const std::set<const registry::Method*>& methods) const;

 private:
  std::map<std::filesystem::path, std::string> data_, libraries_;
};

}  // namespace qloom::results
