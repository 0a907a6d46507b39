/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * A range estimator with one fault, named by the macro HOSTILE_<CASE>; HOSTILE_SOUND has none. */
#include <qloom/abi.h>
#include <stdio.h>

#include "qloom_manifest.h"

#if defined(HOSTILE_SETS_FTZ)
#include "float_control.h"
__attribute__((constructor)) static void when_loaded(void) { set_flush_to_zero(); }
#endif
#if defined(HOSTILE_INIT_ROUNDING) || defined(HOSTILE_CREATE_ROUNDING)
#include "float_control.h"
static void change_rounding(void) { set_rounding(kTowardZero); }
#endif

static int instance; /* the estimator has no state: its address is all that is needed */

__attribute__((unused)) static void destroy(void *self) { (void)self; }
static qloom_status begin(void *self, const qloom_range_context *context, uint32_t pass,
                          qloom_error *error) {
  (void)self, (void)context, (void)pass, (void)error;
  return QLOOM_OK;
}
static qloom_status end(void *self, uint32_t pass, qloom_error *error) {
  (void)self, (void)pass, (void)error;
  return QLOOM_OK;
}
__attribute__((unused)) static qloom_status observe(void *self, const qloom_tensor *x,
                                                    qloom_error *error) {
  (void)self, (void)x, (void)error;
  return QLOOM_OK;
}
static qloom_status ranges(const void *self, qloom_range *out, uint64_t groups,
                           qloom_error *error) {
  uint64_t g;
  (void)self, (void)error;
  for (g = 0; g < groups; ++g) {
    out[g].lo = -1.0;
    out[g].hi = 1.0;
  }
  return QLOOM_OK;
}
__attribute__((unused)) static qloom_status save(const void *self, qloom_writer *writer,
                                                 qloom_error *error) {
  (void)self, (void)writer, (void)error;
  return QLOOM_OK;
}

static const qloom_base base = {
#ifdef HOSTILE_TRUNCATED_BASE
    8,
#else
    sizeof(qloom_base),
#endif
    1,
#ifdef HOSTILE_MISSING_DESTROY
    NULL,
#else
    destroy,
#endif
#ifdef HOSTILE_SAVE_ONLY
    save,
#else
    NULL,
#endif
    NULL};

static const qloom_range_estimator table = {
#ifdef HOSTILE_TRUNCATED_TABLE
    offsetof(qloom_range_estimator, end),
#else
    sizeof(qloom_range_estimator),
#endif
    0,
#ifdef HOSTILE_NO_PASSES
    0,
#else
    1,
#endif
    0,
    begin,
#ifdef HOSTILE_MISSING_OBSERVE
    NULL,
#else
    observe,
#endif
    end,
    ranges,
    NULL};

__attribute__((unused)) static qloom_status fail(qloom_error *error, qloom_status code,
                                                 const char *message) {
  int i = 0;
  error->code = code;
  for (; message[i] != '\0' && i < 503; ++i) error->message[i] = message[i];
  error->message[i] = '\0';
  return code;
}

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  (void)host, (void)params, (void)site, (void)error;
#if defined(HOSTILE_CREATE_REFUSES)
  return fail(error, QLOOM_E_INVALID, "/bits: 3 is not a power of two");
#elif defined(HOSTILE_CREATE_FAILS)
  return fail(error, QLOOM_E_NO_MEMORY, "no room for the table");
#elif defined(HOSTILE_CREATE_ROUNDING)
  change_rounding();
#endif
  out->struct_size = sizeof(qloom_instance);
  out->self = &instance;
  out->base = &base;
  out->ops = &table;
#ifdef HOSTILE_NO_SELF
  out->self = NULL;
#endif
  return QLOOM_OK;
}

static qloom_status init(const qloom_host *host, qloom_error *error) {
  (void)host, (void)error;
#if defined(HOSTILE_INIT_FAILS)
  return fail(error, QLOOM_E_UNSUPPORTED, "the licence of 1999 has run out");
#elif defined(HOSTILE_INIT_ROUNDING)
  change_rounding();
#endif
  return QLOOM_OK;
}
static void deinit(void) {}
__attribute__((unused)) static uint32_t count(void) {
#ifdef HOSTILE_MORE_METHODS
  return 2;
#else
  return 1;
#endif
}
static const qloom_descriptor *at(uint32_t index) {
  static qloom_descriptor descriptor;
  (void)index;
  descriptor.struct_size = sizeof descriptor;
  descriptor.kind = "qloom.range/1";
  descriptor.id = qloom_manifest[0].id;
  descriptor.version = qloom_manifest[0].version;
  descriptor.manifest = qloom_manifest[0].manifest;
  descriptor.create = create;
#if defined(HOSTILE_MISSING_CREATE)
  descriptor.create = NULL;
#elif defined(HOSTILE_TRUNCATED_DESCRIPTOR)
  descriptor.struct_size = offsetof(qloom_descriptor, create);
#elif defined(HOSTILE_OTHER_ID)
  descriptor.id = "friendly";
#elif defined(HOSTILE_ID_WITH_GARBAGE)
  descriptor.id = "hostile ";
#elif defined(HOSTILE_OTHER_KIND)
  descriptor.kind = "qloom.range/2";
#elif defined(HOSTILE_OTHER_VERSION)
  descriptor.version = "1.2.4";
#elif defined(HOSTILE_OTHER_MANIFEST)
  descriptor.manifest = "{\"id\": \"hostile\"}";
#elif defined(HOSTILE_MANIFEST_KEY_TWICE)
  static char twice[4096]; /* whoever takes the last of two keys sees no difference */
  snprintf(twice, sizeof twice, "{\"kind\": \"norm\", %s", qloom_manifest[0].manifest + 1);
  descriptor.manifest = twice;
#elif defined(HOSTILE_NO_DESCRIPTOR)
  return NULL;
#endif
  return &descriptor;
}

#if defined(HOSTILE_NEXT_MAJOR)
#define ENTRY qloom_entry_v1
extern QLOOM_EXPORT const qloom_entry qloom_entry_v1;
#elif defined(HOSTILE_NO_ENTRY)
#define ENTRY another_symbol
extern QLOOM_EXPORT const qloom_entry another_symbol;
#else
#define ENTRY QLOOM_ENTRY_SYMBOL
#endif
const qloom_entry ENTRY = {
#ifdef HOSTILE_WRONG_MAGIC
    0x12345678u,
#else
    QLOOM_MAGIC,
#endif
#ifdef HOSTILE_TRUNCATED_ENTRY
    offsetof(qloom_entry, count),
#else
    sizeof(qloom_entry),
#endif
#ifdef HOSTILE_WRONG_MAJOR
    7u,
#else
    QLOOM_ABI_MAJOR,
#endif
#ifdef HOSTILE_NEWER_TARGET
    QLOOM_ABI_MINOR + 3u,
#else
    QLOOM_ABI_TARGET,
#endif
#ifdef HOSTILE_OTHER_HASH
    0xABCDEFu,
#else
    QLOOM_ABI_HASH,
#endif
    init,
    deinit,
#ifdef HOSTILE_MISSING_COUNT
    NULL,
#else
    count,
#endif
    at};
