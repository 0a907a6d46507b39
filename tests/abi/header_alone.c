/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * abi.h and stochastic.h, nothing else: compiled as C99, C11, C17 and C++20 by the tests in
 * tests.cmake. */
#include <qloom/abi.h>
#include <qloom/stochastic.h>

#ifdef QLOOM_TEST_PADDED
struct padded {
  char a;
  double b;
};
struct padded qloom_padded; /* defined: clang looks at what has to be laid out */
#endif

/* The bits of the frozen values: they may sit in arrays, so their size is part of the contract. */
typedef char range_is_two_doubles[sizeof(qloom_range) == 16 ? 1 : -1];
typedef char block_is_six_words[sizeof(qloom_block) == 48 ? 1 : -1];
typedef char error_is_512_bytes[sizeof(qloom_error) == 512 ? 1 : -1];
typedef char entry_starts_with_its_magic[offsetof(qloom_entry, magic) == 0 ? 1 : -1];
typedef char entry_size_is_second[offsetof(qloom_entry, struct_size) == 4 ? 1 : -1];
typedef char entry_major_is_third[offsetof(qloom_entry, abi_major) == 8 ? 1 : -1];
