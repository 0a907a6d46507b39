/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

typedef struct method {
  float limit;
} method;

/* Clips the weight tensor and returns the larger of `largest` and its largest magnitude. */
static float clip(const qloom_run_tensor *t, float limit, float largest) {
  uint64_t i;
  for (i = 0; i < t->n; ++i) {
    float w = t->value[i];
    if (w > limit) w = limit;
    if (w < -limit) w = -limit;
    t->value[i] = w;
    if (w > largest) largest = w;
    if (-w > largest) largest = -w;
  }
  return largest;
}

/* CHANGE: the events that `table` below asks for come here. qloom.run (qloom_run_api in
 * qloom/abi.h) gives tensors, gradients, norms, logits, the learning rate, random numbers, and
 * takes figures for the report. */
static qloom_status on(void *self, qloom_run *run, const qloom_event *event, qloom_error *error) {
  const method *s = (const method *)self;
  qloom_run_tensor t;
  float largest = 0;
  uint64_t i;
  t.struct_size = sizeof t;
  for (i = 0; qloom.run->tensor(run, i, &t) == QLOOM_OK; ++i) {
    if (t.role == QLOOM_ROLE_WEIGHT) largest = clip(&t, s->limit, largest);
  }
  if (event->event != QLOOM_EVENT_AFTER_EPOCH) return QLOOM_OK;
  if (qloom.run->report(run, "largest_weight", largest) == QLOOM_OK) return QLOOM_OK;
  return qloom_fail(error, QLOOM_E_INTERNAL, "the host refused a figure");
}

static const qloom_base base = {sizeof(qloom_base), 1, free, NULL, NULL};
static const qloom_procedure table = {
    sizeof(qloom_procedure), 1u << QLOOM_EVENT_AFTER_STEP | 1u << QLOOM_EVENT_AFTER_EPOCH, on};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  double limit;
  (void)host;
  (void)site;
  if (qloom.run == NULL) {
    free(self);
    return qloom_fail(error, QLOOM_E_UNSUPPORTED, "the host has no qloom.run/1");
  }
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_f64(params, "/limit", &limit) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/limit: expected a number");
  }
  self->limit = (float)limit;
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.procedure/1", create);
