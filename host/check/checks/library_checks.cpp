// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What can be said of the library before any of its methods is created.
#include <dlfcn.h>

#include <algorithm>
#include <string_view>

#include "host/check/checks/checks.hpp"
#include "host/registry/libraries/elf_symbols.hpp"

#define QLOOM_TEXT_OF(x) #x
#define QLOOM_NAME_OF(x) QLOOM_TEXT_OF(x)

namespace qloom::check {
namespace {

constexpr std::string_view kEntry = QLOOM_NAME_OF(QLOOM_ENTRY_SYMBOL);

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsSanitized = true;  // the plugins are instrumented as well
#else
constexpr bool kIsSanitized = false;
#endif

bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> starts) {
  return std::any_of(starts.begin(), starts.end(),
                     [&](std::string_view s) { return text.starts_with(s); });
}

bool is_runtime(std::string_view library) {
  return starts_with_any(library, {"libc.so.", "libm.so.", "libstdc++.so.", "libgcc_s.so.",
                                   "ld-linux", "libpthread.so.", "libdl.so.", "librt.so."}) ||
         (kIsSanitized && starts_with_any(library, {"libasan.so.", "libubsan.so."}));
}

bool is_of_runtime(const registry::ElfSymbol& symbol) {
  return symbol.is_weak ||
         starts_with_any(symbol.version, {"GLIBC_", "GLIBCXX_", "CXXABI_", "GCC_"}) ||
         (kIsSanitized && starts_with_any(symbol.name, {"__asan_", "__ubsan_", "__sanitizer_"}));
}

}  // namespace

void check_exports(Context& context) {
  const registry::ElfSymbols symbols = registry::elf_symbols(context.library());
  bool has_entry = false;
  for (const registry::ElfSymbol& s : symbols.exported) {
    if (s.name == kEntry) {
      has_entry = true;
    } else if (!kIsSanitized || !starts_with_any(s.name, {"__odr_asan"})) {
      context.find(
          fmt::format("exports {}, expected {} alone: hide it (-fvisibility=hidden, a "
                      "version script)",
                      s.name, kEntry));
    }
  }
  if (!has_entry) context.find(fmt::format("does not export {}", kEntry));
}

void check_imports(Context& context) {
  const registry::ElfSymbols symbols = registry::elf_symbols(context.library());
  for (const std::string& library : symbols.needed) {
    if (is_runtime(library)) continue;
    context.find(
        fmt::format("is linked with {}, expected the C and C++ runtime alone: link other "
                    "libraries statically",
                    library));
  }
  for (const registry::ElfSymbol& s : symbols.imported) {
    if (is_of_runtime(s)) continue;
    context.find(fmt::format("imports {}{}{}, which is not of the C or C++ runtime", s.name,
                             s.version.empty() ? "" : " of version ", s.version));
  }
}

void check_unmapping(Context& context) {
  const registry::ElfSymbols symbols = registry::elf_symbols(context.library());
  for (const registry::ElfSymbol& s : symbols.exported) {
    if (!s.is_unique) continue;
    context.find(
        fmt::format("{} is a unique symbol, with which a library stays in memory: compile "
                    "with -fno-gnu-unique",
                    s.name));
  }
  for (const registry::ElfSymbol& s : symbols.imported) {
    if (s.name.starts_with("__cxa_thread_atexit")) {
      context.find(
          "has a thread_local object with a destructor, with which a library stays in "
          "memory once it was used");
    }
  }
  if (symbols.stays_loaded) context.find("is linked with -z nodelete, expected without");
  const std::string file = std::filesystem::absolute(context.library()).string();
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return context.find(::dlerror());
  ::dlclose(handle);
  if (::dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD) != nullptr) {
    context.find("stays in memory after it was closed: no new version of it can be loaded");
  }
}

}  // namespace qloom::check
