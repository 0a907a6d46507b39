/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

typedef struct method {
  double factor;
  double *largest; /* max|x| so far, one per group */
  double *now;     /* of the newest tensor */
  uint64_t groups; /* 0: nothing was observed */
} method;

/* Makes room for so many groups; with another number than before all starts anew. */
static qloom_status resize(method *s, uint64_t groups, qloom_error *error) {
  double *largest, *now;
  if (s->groups == groups) return QLOOM_OK;
  largest = (double *)calloc(groups, sizeof *largest);
  now = (double *)calloc(groups, sizeof *now);
  if (largest == NULL || now == NULL) {
    free(largest);
    free(now);
    return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the ranges");
  }
  free(s->largest);
  free(s->now);
  s->largest = largest;
  s->now = now;
  s->groups = groups;
  return QLOOM_OK;
}

/* A round of observations starts. The context says what the range is for: bits, signs, levels. */
static qloom_status begin(void *self, const qloom_range_context *context, uint32_t pass,
                          qloom_error *error) {
  method *s = (method *)self;
  (void)context, (void)pass, (void)error;
  s->groups = 0;
  return QLOOM_OK;
}

/* CHANGE: one more tensor. The kernels work on the host's threads and give the same bits for any
 * number of them. NaN is skipped; a group with an infinity adds nothing. */
static qloom_status observe(void *self, const qloom_tensor *x, qloom_error *error) {
  method *s = (method *)self;
  uint64_t g;
  if (s->groups != 0 && s->groups != x->groups) {
    return qloom_fail(error, QLOOM_E_INVALID, "a tensor with another number of groups");
  }
  if (resize(s, x->groups, error) != QLOOM_OK) return QLOOM_E_NO_MEMORY;
  qloom.kernels->reduce(x, QLOOM_REDUCE_ABS_MAX, NULL, s->now);
  for (g = 0; g < x->groups; ++g) {
    if (s->now[g] > s->largest[g] && s->now[g] <= 3.5e38) s->largest[g] = s->now[g];
  }
  return QLOOM_OK;
}

static qloom_status end(void *self, uint32_t pass, qloom_error *error) {
  (void)self, (void)pass, (void)error;
  return QLOOM_OK;
}

/* CHANGE: one range per group, from what was observed. */
static qloom_status ranges(const void *self, qloom_range *out, uint64_t groups,
                           qloom_error *error) {
  const method *s = (const method *)self;
  uint64_t g;
  if (s->groups == 0) return qloom_fail(error, QLOOM_E_ORDER, "nothing was observed");
  if (s->groups != groups) return qloom_fail(error, QLOOM_E_INVALID, "other number of groups");
  for (g = 0; g < groups; ++g) {
    out[g].hi = s->factor * s->largest[g];
    out[g].lo = -out[g].hi;
  }
  return QLOOM_OK;
}

static void destroy(void *self) {
  free(((method *)self)->largest);
  free(((method *)self)->now);
  free(self);
}

/* What a checkpoint keeps: all that observe() changed. A missing array means nothing was. */
static qloom_status save(const void *self, qloom_writer *writer, qloom_error *error) {
  const method *s = (const method *)self;
  (void)error;
  return qloom.state->put(writer, "largest", QLOOM_F64, s->largest, s->groups);
}
static qloom_status load(void *self, const qloom_reader *reader, uint32_t version,
                         qloom_error *error) {
  method *s = (method *)self;
  const void *largest = NULL;
  uint64_t groups = 0;
  if (version > 1) return qloom_fail(error, QLOOM_E_STATE, "the state is newer than version 1");
  if (qloom.state->get(reader, "largest", QLOOM_F64, &largest, &groups) != QLOOM_OK) groups = 0;
  if (groups > 0) {
    if (resize(s, groups, error) != QLOOM_OK) return QLOOM_E_NO_MEMORY;
    memcpy(s->largest, largest, groups * sizeof *s->largest);
  }
  s->groups = groups;
  return QLOOM_OK;
}

static const qloom_base base = {sizeof(qloom_base), 1, destroy, save, load};
static const qloom_range_estimator table = {
    sizeof(qloom_range_estimator), 0, 1, 0, begin, observe, end, ranges, NULL};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  (void)host;
  (void)site;
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_f64(params, "/factor", &self->factor) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/factor: expected a number");
  }
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.range/1", create);
