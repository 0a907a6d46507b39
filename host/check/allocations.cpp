// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/allocations.hpp"

#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
// Of the sanitizers' allocator interface, whose header gcc does not install.
extern "C" int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void*, std::size_t),
    void (*free_hook)(const volatile void*));
#endif

namespace {
thread_local std::uint64_t count = 0;
}  // namespace

namespace qloom::check {

#if defined(__SANITIZE_ADDRESS__)
namespace {
// The sanitizer has replaced malloc itself, and tells who asks.
void count_one(const volatile void*, std::size_t) { ++count; }
void ignore(const volatile void*) {}
const int kInstalled = __sanitizer_install_malloc_and_free_hooks(&count_one, &ignore);
}  // namespace
#endif

std::uint64_t allocations_of_this_thread() noexcept { return count; }

}  // namespace qloom::check

#if !defined(__SANITIZE_ADDRESS__)
// Names that the GNU C library keeps for its own functions when these are replaced.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  ++count;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) {
  ++count;
  return __libc_calloc(n, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  ++count;
  return __libc_realloc(old, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  ++count;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++count;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  ++count;
  void* memory = __libc_memalign(alignment, bytes);
  if (memory == nullptr) return ENOMEM;
  *out = memory;
  return 0;
}
}
#endif
