/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * A rounding mode in plain C, to copy: it needs abi.h and nothing else. Change plugin.json first.
 */
#include <qloom/abi.h>

#include "qloom_manifest.h"

/* Above 2^23 every float is an integer. NaN and infinities stay as they are. */
static float to_odd(float x) {
  const float limit = 8388608.0f;
  int32_t toward_zero;
  if (!(x > -limit && x < limit)) return x;
  toward_zero = (int32_t)x;
  if ((float)toward_zero == x) return x;
  if (toward_zero % 2 == 0) toward_zero += x > 0 ? 1 : -1;
  return (float)toward_zero;
}

/* [pure] x in grid steps; y may be x. This mode draws no random words, so `first` has no use. */
static qloom_status round_block(const void *self, const qloom_call *call, uint64_t first,
                                const float *x, float *y, uint64_t n) {
  uint64_t i;
  (void)self;
  (void)call;
  (void)first;
  for (i = 0; i < n; ++i) y[i] = to_odd(x[i]);
  return QLOOM_OK;
}

/* No parameters and no state: one object serves all instances, so there is nothing to free. */
static int the_instance;
static void destroy(void *self) { (void)self; }

static const qloom_base base = {sizeof(qloom_base), 1, destroy, NULL, NULL, NULL};
static const qloom_rounding rounding = {sizeof(qloom_rounding), 0, round_block, NULL};

static qloom_status create(const qloom_host *host, const qloom_params *params, qloom_instance *out,
                           qloom_error *error) {
  (void)host;
  (void)params;
  (void)error;
  out->struct_size = sizeof(qloom_instance);
  out->self = &the_instance;
  out->base = &base;
  out->ops = &rounding;
  return QLOOM_OK;
}

/* Services (kernels, parameters, state) would be fetched and kept here: host->service(host, id). */
static qloom_status init(const qloom_host *host, qloom_error *error) {
  (void)host;
  (void)error;
  return QLOOM_OK;
}
static void deinit(void) {}

static uint32_t count(void) { return 1; }
static const qloom_descriptor *at(uint32_t index) {
  static qloom_descriptor descriptor; /* id, version and manifest come from plugin.json */
  if (index > 0) return NULL;
  descriptor.struct_size = sizeof(qloom_descriptor);
  descriptor.kind = "qloom.rounding/1";
  descriptor.id = qloom_manifest[0].id;
  descriptor.version = qloom_manifest[0].version;
  descriptor.manifest = qloom_manifest[0].manifest;
  descriptor.create = create;
  return &descriptor;
}

const qloom_entry QLOOM_ENTRY_SYMBOL = {QLOOM_MAGIC,     sizeof(qloom_entry), QLOOM_ABI_MAJOR,
                                        QLOOM_ABI_TARGET, QLOOM_ABI_HASH,      init,
                                        deinit,          count,               at};
