// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A training step takes nothing from the heap once it runs steadily. This program's own malloc and
// operator new count what the host and the plugins ask for; what oneDNN and OpenMP take inside
// their calls (argument lists, packing buffers of small matrix products) is theirs.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include <fmt/format.h>

#include "tests/support/training.hpp"

namespace {

std::atomic<bool> is_counting = false;
std::atomic<std::uint64_t> own_calls = 0;

bool is_of_library(const void* address) {
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return false;
  return std::strstr(info.dli_fname, "dnnl") != nullptr ||
         std::strstr(info.dli_fname, "gomp") != nullptr ||
         std::strstr(info.dli_fname, "libomp") != nullptr ||
         std::strstr(info.dli_fname, "libc.so") != nullptr;
}

std::array<const void*, 16> callers;  // the first ones of own calls, for addr2line

void count(const void* caller) {
  if (!is_counting || is_of_library(caller)) return;
  const std::uint64_t i = own_calls++;
  if (i < callers.size()) callers[i] = caller;
}

std::string places() {
  std::string text;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(own_calls, callers.size()); ++i) {
    Dl_info info{};
    if (dladdr(callers[i], &info) == 0) continue;
    const auto offset =
        static_cast<const char*>(callers[i]) - static_cast<const char*>(info.dli_fbase);
    text += fmt::format("\n  {}+{:#x}", info.dli_fname, offset);
  }
  return text;
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t n) {
  count(__builtin_return_address(0));
  return __libc_malloc(n);
}
void* realloc(void* p, std::size_t n) {
  count(__builtin_return_address(0));
  return __libc_realloc(p, n);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t n) {
  count(__builtin_return_address(0));
  *p = __libc_memalign(alignment, n);
  return *p == nullptr ? ENOMEM : 0;
}
}

void* operator new(std::size_t n) {
  count(__builtin_return_address(0));
  if (void* p = __libc_malloc(n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { __libc_free(p); }
void operator delete(void* p, std::size_t) noexcept { __libc_free(p); }

namespace qloom::test {
namespace {

std::uint64_t calls_of_step(Training& training, std::uint64_t step) {
  own_calls = 0;
  is_counting = true;
  training.run(step);
  is_counting = false;
  return own_calls;
}

void expect_steady(const std::string& model, const char* rules) {
  Training training(model, Json::parse(rules));
  for (std::uint64_t step = 0; step < 4; ++step) training.run(step);
  for (std::uint64_t step = 4; step < 7; ++step) {
    EXPECT_EQ(calls_of_step(training, step), 0U)
        << model << ", step " << step << ", " << rules << places();
  }
}

TEST(Allocation, IsSeenByTheCounter) {
  own_calls = 0;
  is_counting = true;
  std::vector<float> some(1000);
  is_counting = false;
  EXPECT_EQ(own_calls, 1U) << some.size();
}

TEST(Allocation, AFloatStepTakesNothing) {
  for (const char* model : {"lenet5", "resnet8"}) expect_steady(model, "[]");
}

TEST(Allocation, AQuantizationAwareStepTakesNothing) {
  for (const char* model : {"lenet5", "resnet8"}) {
    expect_steady(model, R"([
      {"site": "weight", "quantizer": {"plugin": "affine", "granularity": "channel"}},
      {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "symmetric": false},
       "range": {"plugin": "moving_average_min_max"}}])");
    expect_steady(model, R"([
      {"site": "weight", "quantizer": {"plugin": "lsq", "bits": 4}},
      {"site": "activation", "quantizer": {"plugin": "pact", "bits": 4}}])");
  }
}

TEST(Allocation, AFixedPointStepTakesNothing) {
  expect_steady("resnet8", R"([
    {"norm": {"plugin": "range_bn"}},
    {"site": "weight", "quantizer": {"plugin": "affine", "symmetric": true}},
    {"site": ["input", "activation"], "quantizer": {"plugin": "affine", "symmetric": false},
     "range": {"plugin": "moving_average_min_max"}},
    {"site": ["error", "gradient"], "quantizer": {"plugin": "affine", "symmetric": true},
     "rounding": {"plugin": "stochastic", "random_bits": 16}}])");
}

}  // namespace
}  // namespace qloom::test
