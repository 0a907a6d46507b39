// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// New code of a library in a running process. dlopen gives the code it has for a path it knows, so
// a copy under a fresh name is loaded; the old code stays, instances of it live on.
#include <unistd.h>

#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "host/registry/libraries/libraries.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace fs = std::filesystem;
namespace {

/// A copy of the library in a folder of its own; gone with this object (what is mapped stays).
class FreshCopy {
 public:
  explicit FreshCopy(const fs::path& library) {
    std::string name = (fs::temp_directory_path() / "qloom-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw InputError(fmt::format("{}: cannot be copied to {}", library.string(),
                                   fs::temp_directory_path().string()));
    }
    folder_ = name;
    file_ = folder_ / library.filename();
    std::error_code error;
    fs::copy_file(library, file_, error);
    if (!error) return;
    remove();
    throw InputError(fmt::format("{}: cannot be copied: {}", library.string(), error.message()));
  }
  ~FreshCopy() { remove(); }
  FreshCopy(const FreshCopy&) = delete;
  FreshCopy& operator=(const FreshCopy&) = delete;
  [[nodiscard]] const fs::path& file() const { return file_; }

 private:
  void remove() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  fs::path folder_, file_;
};

/// The text with the library's own path in place of the copy's.
std::string with_path(std::string text, const fs::path& copy, const fs::path& library) {
  const std::string from = copy.string();
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
    text.replace(at, from.size(), library.string());
    at += library.string().size();
  }
  return text;
}

}  // namespace

Registry::Reload::Reload(const Registry& registry, const fs::path& library) : registry_(&registry) {
  const FreshCopy copy(library);
  try {
    std::map<const Method*, const qloom_descriptor*> fresh;
    for (const Method& method : registry.methods_) {
      if (method.library_file != library) continue;
      fresh[&method] = agreed_descriptor(method, registry.siblings(method), copy.file());
    }
    for (const auto& [method, descriptor] : fresh) {
      const std::lock_guard lock(registry.libraries_->mutex);
      const qloom_descriptor*& known = registry.libraries_->descriptors[method];
      before_[method] = std::exchange(known, descriptor);
      methods_.insert(method);
    }
  } catch (const InputError& error) {
    throw InputError(with_path(error.what(), copy.file(), library));
  }
}

Registry::Reload::~Reload() {
  const std::lock_guard lock(registry_->libraries_->mutex);
  for (const auto& [method, descriptor] : before_) {
    registry_->libraries_->descriptors[method] = descriptor;
  }
}

}  // namespace qloom::registry
