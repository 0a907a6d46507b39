// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/libraries/elf.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <vector>

#include <fmt/format.h>

/// This program's own header: the linker defines it.
extern "C" [[gnu::visibility("hidden")]] const ElfW(Ehdr) __ehdr_start;

namespace qloom::registry {
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);

constexpr unsigned char kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;

/// A machine of elf.h, as `uname -m` has it.
std::string machine(unsigned number) {
  if (number == EM_X86_64) return "x86_64";
  if (number == EM_AARCH64) return "aarch64";
  return fmt::format("machine {} of elf.h", number);
}

/// First byte after the part of the file that the segment needs; saturated.
std::uint64_t end_of(const Segment& segment) {
  const std::uint64_t end = segment.p_offset + segment.p_filesz;
  return end < segment.p_offset ? UINT64_MAX : end;
}

}  // namespace

std::string elf_fault(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  const std::uint64_t size = std::filesystem::file_size(file, error);
  if (!in || error) return "it cannot be read";
  Header header{};
  in.read(reinterpret_cast<char*>(&header), sizeof header);
  const auto read = static_cast<std::size_t>(in.gcount());
  if (std::memcmp(header.e_ident, ELFMAG, std::min<std::size_t>(SELFMAG, read)) != 0 || read == 0) {
    return "it is not an ELF library";
  }
  if (read < sizeof header) return fmt::format("truncated: {} bytes", size);
  if (header.e_ident[EI_CLASS] != kClass || header.e_type != ET_DYN ||
      header.e_phentsize != sizeof(Segment)) {
    return "it is not a shared library for this machine";
  }
  if (header.e_machine != __ehdr_start.e_machine) {
    return fmt::format("it was built for {}, this program for {}", machine(header.e_machine),
                       machine(__ehdr_start.e_machine));
  }
  std::vector<Segment> segments(header.e_phnum);
  const std::uint64_t table = segments.size() * sizeof(Segment);
  std::uint64_t needed = header.e_phoff + table;
  if (header.e_phoff <= size && needed <= size) {
    in.seekg(static_cast<std::streamoff>(header.e_phoff));
    in.read(reinterpret_cast<char*>(segments.data()), static_cast<std::streamsize>(table));
    for (const Segment& segment : segments) {
      if (segment.p_type == PT_LOAD || segment.p_type == PT_DYNAMIC) {
        needed = std::max(needed, end_of(segment));
      }
    }
  }
  if (needed <= size && header.e_phoff <= size) return {};
  return fmt::format("truncated: {} bytes, its segments end at {}", size, needed);
}

}  // namespace qloom::registry
