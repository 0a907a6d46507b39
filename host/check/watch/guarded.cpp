// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/watch/guarded.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

namespace qloom::check {
namespace {
constexpr unsigned char kGuardByte = 0xA5;
}

GuardedBytes::GuardedBytes(std::size_t bytes, Side side) : bytes_(bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t room = (bytes + page - 1) / page * page + page;  // at least a page of cells
  mapped_ = room + page;
  void* map = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  map_ = static_cast<unsigned char*>(map);
  unsigned char* const open = side == Side::kBefore ? map_ + page : map_;
  unsigned char* const closed = side == Side::kBefore ? map_ : map_ + room;
  std::memset(open, kGuardByte, room);
  if (::mprotect(closed, page, PROT_NONE) != 0) {
    throw std::system_error(errno, std::generic_category(), "mprotect");
  }
  if (side == Side::kBefore) {
    data_ = open;
    cells_ = {open + bytes, room - bytes};
  } else {
    data_ = open + room - bytes;
    cells_ = {open, room - bytes};
  }
}

GuardedBytes::~GuardedBytes() { ::munmap(map_, mapped_); }

std::ptrdiff_t GuardedBytes::touched() const {
  const auto found = std::find_if(cells_.begin(), cells_.end(),
                                  [](unsigned char cell) { return cell != kGuardByte; });
  return found == cells_.end() ? 0 : &*found - data_;
}

}  // namespace qloom::check
