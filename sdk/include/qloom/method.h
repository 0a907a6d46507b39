/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * What every method in C needs besides its own functions: the host's services, errors, state, and
 * the entry that the host looks for. C99; one method per library. The last line of the source is
 *
 *   QLOOM_METHOD("qloom.rounding/1", create)
 *
 * after #include "qloom_manifest.h", which the build generates from plugin.json. */
#ifndef QLOOM_METHOD_H
#define QLOOM_METHOD_H
#include <string.h>

#include <qloom/abi.h>

/* The host's services, there from before create() on; run: for procedures, NULL where the host has
 * none of this revision. */
static struct qloom_services {
  const qloom_kernels *kernels;
  const qloom_parallel *parallel;
  const qloom_params_api *params;
  const qloom_state_api *state;
  const qloom_run_api *run;
} qloom;

/* Writes the message and returns the code: return qloom_fail(error, QLOOM_E_NO_MEMORY, "..."). */
static inline qloom_status qloom_fail(qloom_error *error, qloom_status code, const char *message) {
  if (error != NULL) {
    error->code = code;
    strncpy(error->message, message, sizeof error->message - 1);
    error->message[sizeof error->message - 1] = '\0';
  }
  return code;
}

/* The array `key` of a saved state into `to`; a missing array leaves `to` as it is. */
static inline qloom_status qloom_load(const qloom_reader *reader, const char *key, uint32_t dtype,
                                      size_t element, void *to, uint64_t count,
                                      qloom_error *error) {
  const void *data = NULL;
  uint64_t found = 0;
  if (qloom.state->get(reader, key, dtype, &data, &found) != QLOOM_OK) return QLOOM_OK;
  if (found != count) return qloom_fail(error, QLOOM_E_STATE, "a state array of another length");
  if (count > 0) memcpy(to, data, count * element);
  return QLOOM_OK;
}

/* What create() answers. */
static inline qloom_status qloom_created(qloom_instance *out, void *self, const qloom_base *base,
                                         const void *table) {
  out->struct_size = sizeof(qloom_instance);
  out->self = self;
  out->base = base;
  out->ops = table;
  return QLOOM_OK;
}

static inline qloom_status qloom_method_init(const qloom_host *host, qloom_error *error) {
  qloom.kernels = (const qloom_kernels *)host->service(host, "qloom.kernels/1");
  qloom.parallel = (const qloom_parallel *)host->service(host, "qloom.parallel/1");
  qloom.params = (const qloom_params_api *)host->service(host, "qloom.params/1");
  qloom.state = (const qloom_state_api *)host->service(host, "qloom.state/1");
  qloom.run = (const qloom_run_api *)host->service(host, "qloom.run/1");
  if (qloom.kernels == NULL || qloom.parallel == NULL || qloom.params == NULL ||
      qloom.state == NULL) {
    return qloom_fail(error, QLOOM_E_UNSUPPORTED, "the host lacks a service");
  }
  return QLOOM_OK;
}
static inline void qloom_method_deinit(void) {}
static inline uint32_t qloom_method_count(void) { return 1; }

/* Registers the library's one method; id, version and manifest come from plugin.json. */
#define QLOOM_METHOD(kind_id, create_function)                                      \
  static const qloom_descriptor *qloom_method_at(uint32_t index) {                  \
    static qloom_descriptor descriptor;                                             \
    if (index > 0) return NULL;                                                     \
    descriptor.struct_size = sizeof descriptor;                                     \
    descriptor.kind = kind_id;                                                      \
    descriptor.id = qloom_manifest[0].id;                                           \
    descriptor.version = qloom_manifest[0].version;                                 \
    descriptor.manifest = qloom_manifest[0].manifest;                               \
    descriptor.create = create_function;                                            \
    return &descriptor;                                                             \
  }                                                                                 \
  const qloom_entry QLOOM_ENTRY_SYMBOL = {QLOOM_MAGIC,         sizeof(qloom_entry), \
                                          QLOOM_ABI_MAJOR,     QLOOM_ABI_TARGET,    \
                                          QLOOM_ABI_HASH,      qloom_method_init,   \
                                          qloom_method_deinit, qloom_method_count,  \
                                          qloom_method_at}
#endif
