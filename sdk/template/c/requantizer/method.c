/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

#define LIMIT 576460752303423488.0 /* 2^59: several of them have room in 64 bits */

typedef struct method {
  int64_t fraction_bits;
  double steps;       /* 2^fraction_bits */
  int64_t *constants; /* of the last answer, which the host reads until the next one */
} method;

static double magnitude(double x) { return x < 0 ? -x : x; }
/* Half away from zero; magnitudes below LIMIT. */
static int64_t rounded(double x) {
  int64_t whole = (int64_t)x;
  double rest = magnitude(x - (double)whole);
  return rest < 0.5 ? whole : whole + (x < 0 ? -1 : 1);
}

static qloom_step step(uint32_t op, uint32_t input, const int64_t *constants, uint64_t groups,
                       uint64_t per_channel) {
  qloom_step made;
  memset(&made, 0, sizeof made);
  made.struct_size = sizeof made;
  made.op = op;
  made.input = input;
  made.constants = constants;
  made.groups = groups;
  made.per_channel = per_channel;
  return made;
}

/* round(factor * 2^fraction_bits) of each input and channel. */
static qloom_status multipliers(const method *s, const qloom_requantize_task *t, int64_t *q,
                                qloom_error *error) {
  uint64_t i;
  for (i = 0; i < t->inputs * t->channels; ++i) {
    double low = magnitude((double)t->sum_min[i]), high = magnitude((double)t->sum_max[i]);
    double most = low > high ? low : high, exact = t->factor[i] * s->steps;
    if (magnitude(exact) * (most + 1) >= LIMIT) {
      return qloom_fail(error, QLOOM_E_UNSUPPORTED, "a product does not fit into 64 bits");
    }
    q[i] = rounded(exact);
    if (magnitude((double)q[i] / s->steps - t->factor[i]) * most > 0.5) {
      return qloom_fail(error, QLOOM_E_UNSUPPORTED, "too few fraction bits for a factor");
    }
  }
  return QLOOM_OK;
}

static qloom_status offsets(const method *s, const qloom_requantize_task *t, int64_t *b,
                            qloom_error *error) {
  uint64_t c;
  for (c = 0; c < t->channels; ++c) {
    double exact = t->offset[c] * s->steps;
    if (magnitude(exact) >= LIMIT) {
      return qloom_fail(error, QLOOM_E_UNSUPPORTED, "an offset does not fit into 64 bits");
    }
    b[c] = rounded(exact);
  }
  return QLOOM_OK;
}

/* Answers with the integer steps that the hardware does; the host proves that none of them leaves
 * 64 bits, and simulates, executes and prints them. CHANGE: your hardware's steps. */
static qloom_status derive(void *self, const qloom_requantize_task *t, qloom_step *steps,
                           uint64_t *count, qloom_error *error) {
  method *s = (method *)self;
  uint64_t all = t->inputs * t->channels, i;
  int64_t *q, *b, *rest;
  qloom_status status;
  if (*count < t->inputs + 4) return qloom_fail(error, QLOOM_E_UNSUPPORTED, "too many inputs");
  free(s->constants);
  s->constants = (int64_t *)malloc((size_t)(all + t->channels + 4) * sizeof(int64_t));
  if (s->constants == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for constants");
  q = s->constants;
  b = q + all;
  rest = b + t->channels;
  status = multipliers(s, t, q, error);
  if (status == QLOOM_OK) status = offsets(s, t, b, error);
  if (status != QLOOM_OK) return status;
  rest[0] = s->fraction_bits;
  rest[1] = t->zero_point;
  rest[2] = t->code_min;
  rest[3] = t->code_max;
  for (i = 0; i < t->inputs; ++i) { /* of a join, before the sum; the only input's behind it */
    uint32_t input = t->inputs == 1 ? 0 : (uint32_t)i + 1;
    steps[i] = step(QLOOM_STEP_MULTIPLY, input, q + i * t->channels, t->channels, 1);
  }
  steps += t->inputs;
  steps[0] = step(QLOOM_STEP_ADD, 0, b, t->channels, 1);
  steps[1] = step(QLOOM_STEP_SHIFT_RIGHT, 0, rest, 1, 1);
  steps[1].rounding = t->rounding;
  steps[2] = step(QLOOM_STEP_ADD, 0, rest + 1, 1, 1);
  steps[3] = step(QLOOM_STEP_CLAMP, 0, rest + 2, 1, 2);
  *count = t->inputs + 4;
  return QLOOM_OK;
}

static void destroy(void *self) {
  free(((method *)self)->constants);
  free(self);
}

static const qloom_base base = {sizeof(qloom_base), 1, destroy, NULL, NULL};
static const qloom_requantizer table = {sizeof(qloom_requantizer), 0, derive};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  (void)host;
  (void)site;
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_i64(params, "/fraction_bits", &self->fraction_bits) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/fraction_bits: expected an integer");
  }
  self->steps = (double)((int64_t)1 << self->fraction_bits); /* plugin.json keeps it below 31 */
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.requantizer/1", create);
