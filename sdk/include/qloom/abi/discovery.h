/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * Part of abi.h: what a library shows before any of its code runs.
 */
#ifndef QLOOM_ABI_DISCOVERY_H
#define QLOOM_ABI_DISCOVERY_H
#include <qloom/abi/values.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- discovery ------------------------------------------------------------------ */
typedef struct qloom_instance { /* filled by create() */
  uint32_t struct_size, reserved;
  void *self;
  const qloom_base *base;
  const void *ops; /* the table named by the descriptor's kind */
} qloom_instance;

typedef struct qloom_descriptor {
  uint32_t struct_size, flags;
  const char *kind, *id, *version;
  const char *manifest; /* JSON text of the method's entry in plugin.json */
  /* [setup] site: where it will act; NULL outside a network, and for norms (begin() tells them) and
   * procedures. On failure nothing was created and *out is untouched */
  qloom_status (*create)(const qloom_host *, const qloom_params *, const qloom_site *site,
                         qloom_instance *out, qloom_error *) QLOOM_NOEXCEPT;
} qloom_descriptor;

typedef struct qloom_entry { /* constant data: readable before any plugin code runs */
  uint32_t magic, struct_size;
  uint32_t abi_major, abi_target;
  uint64_t abi_hash;
  /* [setup] called once per load */
  qloom_status (*init)(const qloom_host *, qloom_error *) QLOOM_NOEXCEPT;
  void (*deinit)(void) QLOOM_NOEXCEPT;
  uint32_t (*count)(void) QLOOM_NOEXCEPT;
  const qloom_descriptor *(*at)(uint32_t)QLOOM_NOEXCEPT;
} qloom_entry;
#define QLOOM_MAGIC 0x304D4C51u /* "QLM0" */
#ifndef QLOOM_ENTRY_SYMBOL      /* renamed when plugins are linked statically */
#define QLOOM_ENTRY_SYMBOL qloom_entry_v0
#endif
extern QLOOM_EXPORT const qloom_entry QLOOM_ENTRY_SYMBOL;

#ifdef __cplusplus
}
#endif
#endif
