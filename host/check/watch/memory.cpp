// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/watch/memory.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <malloc.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QLOOM_OTHER_MALLOC  // the sanitizer has replaced malloc itself, and tells who asks
// Of the sanitizers' allocator interface, whose header gcc does not install.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             std::size_t),
                                                         void (*free_hook)(const volatile void*));
#endif

namespace {
thread_local qloom::check::MemoryCounts counts;
}  // namespace

namespace qloom::check {

MemoryCounts memory_counts() noexcept { return counts; }

#if defined(QLOOM_OTHER_MALLOC)

namespace {
void count_one(const volatile void*, std::size_t) {
  ++counts.requests;
  ++counts.blocks;
}
void count_less(const volatile void*) { --counts.blocks; }
const int kInstalled = __sanitizer_install_malloc_and_free_hooks(&count_one, &count_less);
}  // namespace

namespace apart {
bool is_possible() noexcept { return false; }
void set_requests(bool) noexcept {}
void watch_writes(bool) noexcept {}
bool take_written() noexcept { return false; }
}  // namespace apart

#else

namespace apart {
namespace {

constexpr std::size_t kRoom = std::size_t{1} << 32;  // address space; pages come when written to
constexpr std::size_t kHead = 16;                    // before each block: its size

thread_local bool is_met_here = false;
unsigned char* place = nullptr;
std::atomic<std::size_t> used{0};
std::atomic<bool> was_written{false};

[[nodiscard]] bool holds(const void* memory) noexcept {
  const auto* at = static_cast<const unsigned char*>(memory);
  return place != nullptr && at >= place && at < place + kRoom;
}

void permit_writes(bool are_permitted) noexcept {
  constexpr std::size_t kPage = 4096;
  const std::size_t bytes = (used.load() + kPage - 1) / kPage * kPage;
  if (bytes > 0) ::mprotect(place, bytes, are_permitted ? PROT_READ | PROT_WRITE : PROT_READ);
}

/// A write to the place is noted and permitted; any other fault ends the process as it would have.
void on_fault(int signal, siginfo_t* info, void*) noexcept {
  if (holds(info->si_addr)) {
    was_written = true;
    permit_writes(true);
  } else {
    std::signal(signal, SIG_DFL);  // the instruction runs again
  }
}

[[nodiscard]] bool open_place() noexcept {
  if (place != nullptr) return true;
  void* const map = ::mmap(nullptr, kRoom, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return false;
  place = static_cast<unsigned char*>(map);
  struct sigaction action {};
  action.sa_sigaction = &on_fault;
  action.sa_flags = SA_SIGINFO;
  return ::sigaction(SIGSEGV, &action, nullptr) == 0;
}

/// A block of the place; null when it is full.
void* request(std::size_t bytes, std::size_t alignment) noexcept {
  const std::size_t room = kHead + bytes + std::max(alignment, kHead);
  const std::size_t begin = used.fetch_add((room + kHead - 1) / kHead * kHead);
  if (begin + room > kRoom) return nullptr;
  auto at = reinterpret_cast<std::uintptr_t>(place + begin + kHead);
  const std::size_t step = std::max(alignment, kHead);
  at = (at + step - 1) / step * step;
  std::memcpy(reinterpret_cast<void*>(at - kHead), &bytes, sizeof bytes);
  return reinterpret_cast<void*>(at);
}

[[nodiscard]] std::size_t size_of(const void* memory) noexcept {
  std::size_t bytes = 0;
  std::memcpy(&bytes, static_cast<const unsigned char*>(memory) - kHead, sizeof bytes);
  return bytes;
}

}  // namespace

bool is_possible() noexcept { return open_place(); }
void set_requests(bool are_met_there) noexcept { is_met_here = are_met_there; }
void watch_writes(bool are_watched) noexcept { permit_writes(!are_watched); }
bool take_written() noexcept { return was_written.exchange(false); }

}  // namespace apart
#endif

}  // namespace qloom::check

#if !defined(QLOOM_OTHER_MALLOC)
namespace apart = qloom::check::apart;

// Names that the GNU C library keeps for its own functions when these are replaced.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

std::int64_t bytes_of(void* memory) noexcept {
  if (memory == nullptr) return 0;
  return static_cast<std::int64_t>(apart::holds(memory) ? apart::size_of(memory)
                                                        : ::malloc_usable_size(memory));
}
void* counted(void* memory) noexcept {
  ++counts.requests;
  counts.blocks += memory != nullptr ? 1 : 0;
  counts.bytes += bytes_of(memory);
  return memory;
}
void* aligned(std::size_t alignment, std::size_t bytes) noexcept {
  return counted(apart::is_met_here ? apart::request(bytes, alignment)
                                    : __libc_memalign(alignment, bytes));
}

}  // namespace

extern "C" {

void* malloc(std::size_t bytes) {
  return counted(apart::is_met_here ? apart::request(bytes, 1) : __libc_malloc(bytes));
}
void* calloc(std::size_t n, std::size_t bytes) {
  // Pages of the place are zero and are used once.
  return counted(apart::is_met_here ? apart::request(n * bytes, 1) : __libc_calloc(n, bytes));
}
void free(void* memory) {
  if (memory == nullptr) return;
  --counts.blocks;
  counts.bytes -= bytes_of(memory);
  if (!apart::holds(memory)) __libc_free(memory);
}
void* realloc(void* old, std::size_t bytes) {
  if (!apart::is_met_here && !apart::holds(old)) {
    const std::int64_t before = bytes_of(old);
    void* const memory = __libc_realloc(old, bytes);
    ++counts.requests;
    counts.blocks += (memory != nullptr ? 1 : 0) - (old != nullptr ? 1 : 0);
    counts.bytes += bytes_of(memory) - before;
    return memory;
  }
  void* const memory = malloc(bytes);
  if (memory != nullptr && old != nullptr) {
    std::memcpy(memory, old, std::min(bytes, static_cast<std::size_t>(bytes_of(old))));
    free(old);
  }
  return memory;
}
void* memalign(std::size_t alignment, std::size_t bytes) { return aligned(alignment, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return aligned(alignment, bytes); }
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  void* const memory = aligned(alignment, bytes);
  if (memory == nullptr) return ENOMEM;
  *out = memory;
  return 0;
}
}
#endif
