// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program's text with the file of its arrays: what the writers and the readers of program.json
// and step.json share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/json/json.hpp"
#include "host/program/constants.hpp"
#include "host/program/program.hpp"

namespace qloom::program {

inline constexpr const char* kProgramFile = "program.json";

/// Two files of one folder.
struct DocumentForm {
  const char* text;    ///< the structure
  const char* arrays;  ///< the arrays that it names
  const char* schema;
  int newest;  ///< its newest format
};
inline constexpr DocumentForm kProgramForm{kProgramFile, kConstantsFile, "program", kFormat};

/// Digest of all but the key "digest", whatever the spaces of the file: of its shortest text with
/// sorted keys.
[[nodiscard]] std::string digest_of(json::Json document);

/// Steps as text. One constant for all channels stands in it, several are the array
/// "<array>.<number of the step>".
[[nodiscard]] json::Json to_json(const Chain& chain, const std::string& array,
                                 ConstantsWriter& arrays);
/// Its kernel, stride and padding.
void add_window(const ContractionShape& window, json::Json& text);

/// Writes both files, the text last; the folder is created when missing. What the text says of the
/// arrays, and its digest, are added.
void write_document(json::Json text, const ConstantsWriter& arrays, const DocumentForm& form,
                    const std::filesystem::path& folder);

/// A text that its schema accepts, and the arrays beside it. InputErrors are "<file>: <JSON
/// pointer>: ...".
class DocumentReader {
 public:
  /// InputError for files that are missing, damaged, of a newer format or not as they were written.
  DocumentReader(const std::filesystem::path& folder, const DocumentForm& form);

  [[nodiscard]] const json::Json& text() const { return text_; }
  [[nodiscard]] ConstantsReader& arrays() { return arrays_; }
  /// "<file>: <pointer>"
  [[nodiscard]] std::string place(const std::string& at) const { return where_ + at; }
  [[noreturn]] void refuse(const std::string& at, const std::string& why) const;

  /// Any integer of 64 bits.
  [[nodiscard]] std::int64_t number(const json::Json& value, const std::string& at) const;
  [[nodiscard]] Chain chain(const json::Json& text, const std::string& at);
  [[nodiscard]] static Type type(const std::string& name);
  /// Kernel, stride, padding and, where there is one, dilation.
  static void read_window(const json::Json& text, ContractionShape& window);

  /// The next tensor is called so.
  void add_tensor(const std::string& name) { tensors_.push_back(name); }
  /// Number of the tensor that is called so.
  [[nodiscard]] int tensor(const json::Json& name, const std::string& at) const;
  /// Those of an operation's key "in".
  [[nodiscard]] std::vector<int> tensors_in(const json::Json& op, const std::string& at) const;

  /// InputError for arrays that nobody asked for, and for a fault "<pointer>: ..." of what was
  /// read.
  void require_sound(const std::string& fault) const;

 private:
  [[nodiscard]] steps::Step step(const json::Json& text, const std::string& at);

  std::string where_;  ///< "<file>: "
  json::Json text_;
  ConstantsReader arrays_;
  std::vector<std::string> tensors_;
};

}  // namespace qloom::program
