// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/watch/threads_made.hpp"

#include <atomic>
#include <string_view>

#include <dlfcn.h>
#include <pthread.h>

namespace {
std::atomic<std::uint64_t> made{0};
}  // namespace

namespace qloom::check {
std::uint64_t threads_made() noexcept { return made; }
}  // namespace qloom::check

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which have replaced it
namespace {

bool is_of_openmp(const void* caller) {
  Dl_info in{};
  return ::dladdr(caller, &in) != 0 && in.dli_fname != nullptr &&
         std::string_view(in.dli_fname).find("omp.so") != std::string_view::npos;
}

}  // namespace

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) {
  using Function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (!is_of_openmp(__builtin_return_address(0))) ++made;
  return real(thread, attributes, body, argument);
}
#endif
