/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

typedef struct method {
  float threshold;
} method;

/* CHANGE: one element, in grid steps. From 2^23 on every float is an integer; NaN stays. */
static float round_one(float x, float threshold) {
  const float limit = 8388608.0f;
  float whole, fraction;
  if (!(x > -limit && x < limit)) return x;
  whole = (float)(int32_t)x;
  fraction = x - whole;
  if (fraction >= threshold) return whole + 1.0f;
  return fraction <= -threshold ? whole - 1.0f : whole;
}

/* y may be x. Element i of a tensor is element first + i here, so that a random rounding draws its
 * word: qloom.kernels->random_u32(call->seed, call->stream, call->step, first, words, n).
 * Many threads call this on parts of a tensor: it must not write to *self. */
static qloom_status round_block(const void *self, const qloom_call *call, uint64_t first,
                                const float *x, float *y, uint64_t n) {
  const float threshold = ((const method *)self)->threshold;
  uint64_t i;
  (void)call, (void)first;
  for (i = 0; i < n; ++i) y[i] = round_one(x[i], threshold);
  return QLOOM_OK;
}

static const qloom_base base = {sizeof(qloom_base), 1, free, NULL, NULL};
/* y depends on x alone: 0 where a random word is drawn. */
static const qloom_rounding table = {sizeof(qloom_rounding), QLOOM_ROUNDING_DRAWS_NOTHING,
                                     round_block, NULL};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  double threshold;
  (void)host;
  (void)site;
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_f64(params, "/smallest_fraction", &threshold) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/smallest_fraction: expected a number");
  }
  self->threshold = (float)threshold;
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.rounding/1", create);
