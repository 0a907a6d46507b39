// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Reference: dl_iterate_phdr(3); System V ABI, "Note Section"; NT_GNU_BUILD_ID of the GNU linker.
#include "host/results/reuse/linked_libraries.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

namespace qloom::results {
namespace {

constexpr std::size_t padded(std::size_t bytes) { return (bytes + 3) / 4 * 4; }

/// The build id among the notes of one segment; empty: none of them is one.
std::string build_id_in(const std::uint8_t* notes, std::size_t size) {
  for (std::size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes + at, sizeof note);
    const std::size_t name = at + sizeof note, value = name + padded(note.n_namesz);
    at = value + padded(note.n_descsz);
    if (at > size) break;
    if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
        std::memcmp(notes + name, "GNU", 4) != 0) {
      continue;
    }
    std::string id;
    for (std::size_t i = 0; i < note.n_descsz; ++i) id += fmt::format("{:02x}", notes[value + i]);
    return id;
  }
  return "";
}

int add_library(dl_phdr_info* object, std::size_t, void* list) {
  const std::string name = object->dlpi_name;
  if (name.find('/') == std::string::npos) return 0;  // the program, and the kernel's own
  LinkedLibrary library{name, ""};
  for (int i = 0; i < object->dlpi_phnum && library.build_id.empty(); ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    library.build_id =
        build_id_in(reinterpret_cast<const std::uint8_t*>(object->dlpi_addr + segment.p_vaddr),
                    segment.p_memsz);
  }
  static_cast<std::vector<LinkedLibrary>*>(list)->push_back(std::move(library));
  return 0;
}

std::vector<LinkedLibrary> loaded_now() {
  std::vector<LinkedLibrary> list;
  dl_iterate_phdr(add_library, &list);
  return list;
}

const std::vector<LinkedLibrary> kAtStart = loaded_now();  // before main(): no plugin is loaded yet

}  // namespace

const std::vector<LinkedLibrary>& linked_libraries() { return kAtStart; }

}  // namespace qloom::results
