// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/libraries/library.hpp"

#include <map>
#include <mutex>
#include <string>

#define BOOST_DLL_USE_STD_FS
#include <fmt/format.h>
#include <boost/dll/shared_library.hpp>

#include "host/json/printable.hpp"
#include "host/registry/calls/floating_point.hpp"
#include "host/registry/libraries/elf.hpp"
#include "host/registry/registry.hpp"
#include "host/tensor/error.hpp"

#define QLOOM_TEXT_OF(x) #x
#define QLOOM_NAME_OF(x) QLOOM_TEXT_OF(x)

namespace qloom::registry {
namespace fs = std::filesystem;
namespace {

constexpr const char* kEntryName = QLOOM_NAME_OF(QLOOM_ENTRY_SYMBOL);

struct Library {
  boost::dll::shared_library handle;
  std::vector<const qloom_descriptor*> descriptors;
  std::string refusal;  ///< why it cannot be used; empty: it can
};

std::string host_version() { return fmt::format("{}.{}", QLOOM_ABI_MAJOR, QLOOM_ABI_MINOR); }

/// Majors have an entry symbol each: an unknown one tells the library's major.
std::string missing_entry(const boost::dll::shared_library& handle) {
  for (unsigned major = 0; major < 100; ++major) {
    const std::string name = fmt::format("qloom_entry_v{}", major);
    if (name != kEntryName && handle.has(name)) {
      return fmt::format("plugin ABI major {}; this host speaks {} (it has {}, not {})", major,
                         host_version(), name, kEntryName);
    }
  }
  return fmt::format("no symbol {}: not a qloom plugin for ABI {}", kEntryName, host_version());
}

std::string entry_fault(const qloom_entry& entry) {
  if (entry.magic != QLOOM_MAGIC) {
    return fmt::format("magic {:#010x} is not {:#010x} of plugin ABI {}", entry.magic, QLOOM_MAGIC,
                       host_version());
  }
  if (!QLOOM_HAS(qloom_entry, &entry, abi_target)) {
    return fmt::format("the entry has struct_size {}, this host ({}) needs {}", entry.struct_size,
                       host_version(), sizeof(qloom_entry));
  }
  if (entry.abi_major != QLOOM_ABI_MAJOR) {
    return fmt::format("plugin ABI {}.{} is of another major than this host's {}", entry.abi_major,
                       entry.abi_target, host_version());
  }
  if (entry.abi_target > QLOOM_ABI_MINOR) {
    return fmt::format("plugin ABI {}.{} is newer than this host's {}", entry.abi_major,
                       entry.abi_target, host_version());
  }
  if (entry.struct_size < sizeof(qloom_entry)) {
    return fmt::format("the entry of plugin ABI {}.{} has struct_size {}, this host ({}) needs {}",
                       entry.abi_major, entry.abi_target, entry.struct_size, host_version(),
                       sizeof(qloom_entry));
  }
  if (QLOOM_ABI_MAJOR == 0 && entry.abi_hash != QLOOM_ABI_HASH) {
    return fmt::format(
        "built from another abi.h ({}.{}, hash {:016x}) than this host ({}, hash {:016x}): "
        "build it again, ABI 0 keeps no promise between versions",
        entry.abi_major, entry.abi_target, entry.abi_hash, host_version(), QLOOM_ABI_HASH);
  }
  if (entry.init == nullptr || entry.deinit == nullptr || entry.count == nullptr ||
      entry.at == nullptr) {
    return fmt::format("the entry has no {}()", entry.init == nullptr     ? "init"
                                                : entry.deinit == nullptr ? "deinit"
                                                : entry.count == nullptr  ? "count"
                                                                          : "at");
  }
  return {};
}

std::string descriptor_fault(const qloom_descriptor* d, std::uint32_t index) {
  if (d == nullptr) return fmt::format("at({}) gives no descriptor", index);
  if (d->struct_size < sizeof(qloom_descriptor)) {
    return fmt::format("descriptor {} has struct_size {}, this host ({}) needs {}", index,
                       d->struct_size, host_version(), sizeof(qloom_descriptor));
  }
  for (const auto& [name, text] :
       {std::pair{"kind", d->kind}, std::pair{"id", d->id}, std::pair{"version", d->version},
        std::pair{"manifest", d->manifest}}) {
    if (text == nullptr) return fmt::format("descriptor {} has no {}", index, name);
  }
  if (d->create == nullptr) {
    return fmt::format("descriptor {} (\"{}\") has no create()", index, json::printable(d->id));
  }
  return {};
}

std::string initialise(const qloom_entry& entry, std::vector<const qloom_descriptor*>& out) {
  qloom_error error = empty_error();
  const FloatingPointGuard guard;
  const qloom_status status = entry.init(&host_services(), &error);
  const std::uint32_t count = status == QLOOM_OK ? entry.count() : 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const qloom_descriptor* descriptor = entry.at(i);
    if (std::string fault = descriptor_fault(descriptor, i); !fault.empty()) return fault;
    out.push_back(descriptor);
  }
  if (const std::string change = guard.change(); !change.empty()) {
    return fmt::format("init() changed the floating-point state: {}", change);
  }
  if (status != QLOOM_OK) {
    return fmt::format("init() failed with status {}: {}", status, json::printable(error.message));
  }
  return {};
}

/// Fills the library in and says why it cannot be used; empty when it can.
std::string open(Library& library, const fs::path& file) {
  if (!fs::is_regular_file(file)) return "there is no such library file";
  if (std::string fault = elf_fault(file); !fault.empty()) return "cannot be loaded: " + fault;
  const FloatingPointGuard guard;
  try {
    using boost::dll::load_mode::rtld_local;
    using boost::dll::load_mode::rtld_now;
    library.handle = boost::dll::shared_library(file, rtld_now | rtld_local);
  } catch (const std::exception& e) {  // carries the text of dlerror
    return fmt::format("cannot be loaded: {}", e.what());
  }
  if (const std::string change = guard.change(); !change.empty()) {
    return fmt::format(
        "loading it changed the floating-point state: {}; was it linked with -ffast-math?", change);
  }
  if (!library.handle.has(kEntryName)) return missing_entry(library.handle);
  const auto& entry = library.handle.get<const qloom_entry>(kEntryName);
  if (std::string fault = entry_fault(entry); !fault.empty()) return fault;
  return initialise(entry, library.descriptors);
}

}  // namespace

const std::vector<const qloom_descriptor*>& load_library(const fs::path& file) {
  static std::mutex mutex;
  // Never destroyed: nothing is closed at exit, also not by static destructors.
  static auto& libraries = *new std::map<fs::path, Library>;
  const std::lock_guard lock(mutex);
  const fs::path path = fs::weakly_canonical(file);
  auto found = libraries.find(path);
  if (found == libraries.end()) {
    const qloom_host& host = host_services();  // may throw: before anything is remembered
    static_cast<void>(host);
    found = libraries.try_emplace(path).first;
    found->second.refusal = open(found->second, path);
  }
  if (!found->second.refusal.empty()) {
    throw InputError(fmt::format("{}: {}", file.string(), found->second.refusal));
  }
  return found->second.descriptors;
}

}  // namespace qloom::registry
