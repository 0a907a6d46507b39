// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/libraries/elf_symbols.hpp"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>

#include <fmt/format.h>

#include "host/registry/libraries/elf.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

/// The file's bytes; every read is checked against their number.
class Image {
 public:
  explicit Image(const std::filesystem::path& file) : file_(file.string()) {
    if (const std::string fault = elf_fault(file); !fault.empty()) refuse(fault);
    std::ifstream in(file, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
  }
  [[noreturn]] void refuse(const std::string& why) const {
    throw InputError(fmt::format("{}: {}", file_, why));
  }
  template <class T>
  [[nodiscard]] T at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) {
      refuse(fmt::format("its tables point to byte {} of {}", offset, bytes_.size()));
    }
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  [[nodiscard]] std::string text(std::uint64_t offset) const {
    if (offset >= bytes_.size()) refuse(fmt::format("a name lies at byte {}", offset));
    const char* begin = bytes_.data() + offset;
    return {begin, ::strnlen(begin, bytes_.size() - offset)};
  }

 private:
  std::string file_;
  std::vector<char> bytes_;
};

std::vector<ElfW(Shdr)> sections(const Image& image) {
  const auto header = image.at<ElfW(Ehdr)>(0);
  std::vector<ElfW(Shdr)> all;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    all.push_back(image.at<ElfW(Shdr)>(header.e_shoff + i * sizeof(ElfW(Shdr))));
  }
  return all;
}

/// Names of the versions that imports may have, by their index.
std::map<unsigned, std::string> versions(const Image& image, const ElfW(Shdr) & section,
                                         std::uint64_t names) {
  std::map<unsigned, std::string> found;
  std::uint64_t at = section.sh_offset;
  for (unsigned i = 0; i < section.sh_info; ++i) {
    const auto need = image.at<ElfW(Verneed)>(at);
    std::uint64_t entry = at + need.vn_aux;
    for (unsigned k = 0; k < need.vn_cnt; ++k) {
      const auto aux = image.at<ElfW(Vernaux)>(entry);
      found[aux.vna_other] = image.text(names + aux.vna_name);
      entry += aux.vna_next;
    }
    at += need.vn_next;
  }
  return found;
}

void read_dynamic(const Image& image, const ElfW(Shdr) & section, std::uint64_t names,
                  ElfSymbols& out) {
  for (std::uint64_t i = 0; i < section.sh_size / sizeof(ElfW(Dyn)); ++i) {
    const auto entry = image.at<ElfW(Dyn)>(section.sh_offset + i * sizeof(ElfW(Dyn)));
    if (entry.d_tag == DT_NEEDED) out.needed.push_back(image.text(names + entry.d_un.d_val));
    if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_NODELETE) != 0) {
      out.stays_loaded = true;
    }
  }
}

void read_symbols(const Image& image, const ElfW(Shdr) & section, std::uint64_t names,
                  std::uint64_t version_table, const std::map<unsigned, std::string>& version_names,
                  ElfSymbols& out) {
  for (std::uint64_t i = 1; i < section.sh_size / sizeof(ElfW(Sym)); ++i) {
    const auto raw = image.at<ElfW(Sym)>(section.sh_offset + i * sizeof(ElfW(Sym)));
    const unsigned binding = raw.st_info >> 4;
    if (binding == STB_LOCAL) continue;
    ElfSymbol symbol{image.text(names + raw.st_name), "", binding == STB_WEAK,
                     binding == STB_GNU_UNIQUE};
    if (version_table != 0) {
      constexpr unsigned kIndexBits = 0x7FFF;  // the top bit hides a version
      const auto found =
          version_names.find(image.at<std::uint16_t>(version_table + 2 * i) & kIndexBits);
      if (found != version_names.end()) symbol.version = found->second;
    }
    (raw.st_shndx == SHN_UNDEF ? out.imported : out.exported).push_back(std::move(symbol));
  }
}

}  // namespace

ElfSymbols elf_symbols(const std::filesystem::path& file) {
  const Image image(file);
  const auto all = sections(image);
  std::uint64_t version_table = 0;
  std::map<unsigned, std::string> version_names;
  const auto names_of = [&](const ElfW(Shdr) & section) {
    if (section.sh_link >= all.size()) image.refuse("a section has no names");
    return all[section.sh_link].sh_offset;
  };
  for (const auto& section : all) {
    if (section.sh_type == SHT_GNU_versym) version_table = section.sh_offset;
    if (section.sh_type == SHT_GNU_verneed) {
      version_names = versions(image, section, names_of(section));
    }
  }
  ElfSymbols out;
  for (const auto& section : all) {
    if (section.sh_type == SHT_DYNAMIC) read_dynamic(image, section, names_of(section), out);
    if (section.sh_type != SHT_DYNSYM) continue;
    read_symbols(image, section, names_of(section), version_table, version_names, out);
  }
  return out;
}

}  // namespace qloom::registry
