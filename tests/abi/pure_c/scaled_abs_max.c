/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * A range estimator in C99 that needs nothing but abi.h: hi = factor * max |x| over all batches,
 * lo = -hi, one pair per group. The host's SIMD reduction does the work. */
#include <qloom/abi.h>
#include <stdlib.h>
#include <string.h>

#include "qloom_manifest.h"

static const qloom_kernels *kernels;
static const qloom_params_api *params_api;
static const qloom_state_api *state_api;

typedef struct abs_max {
  double factor;
  double *largest; /* one per group */
  uint64_t groups; /* 0: nothing was observed */
} abs_max;

static qloom_status fail(qloom_error *error, qloom_status code, const char *message) {
  if (error != NULL) {
    error->code = code;
    strncpy(error->message, message, sizeof error->message - 1);
    error->message[sizeof error->message - 1] = '\0';
  }
  return code;
}

/* Makes room for `groups` values; the old ones are forgotten when the number changes. */
static qloom_status resize(abs_max *self, uint64_t groups, qloom_error *error) {
  double *largest;
  if (self->groups == groups) return QLOOM_OK;
  largest = (double *)calloc(groups, sizeof(double));
  if (largest == NULL) return fail(error, QLOOM_E_NO_MEMORY, "no room for the ranges");
  free(self->largest);
  self->largest = largest;
  self->groups = groups;
  return QLOOM_OK;
}

static qloom_status begin(void *self, const qloom_range_context *context, uint32_t pass,
                          qloom_error *error) {
  abs_max *s = (abs_max *)self;
  (void)context, (void)pass, (void)error;
  if (s->groups > 0) memset(s->largest, 0, s->groups * sizeof(double));
  return QLOOM_OK;
}

static qloom_status observe(void *self, const qloom_tensor *x, qloom_error *error) {
  abs_max *s = (abs_max *)self;
  double *figure;
  uint64_t g;
  if (resize(s, x->groups, error) != QLOOM_OK) return QLOOM_E_NO_MEMORY;
  figure = (double *)malloc(x->groups * sizeof(double));
  if (figure == NULL) return fail(error, QLOOM_E_NO_MEMORY, "no room for the ranges");
  kernels->reduce(x, QLOOM_REDUCE_ABS_MAX, NULL, figure);
  for (g = 0; g < x->groups; ++g) {
    if (figure[g] > s->largest[g]) s->largest[g] = figure[g];
  }
  free(figure);
  return QLOOM_OK;
}

static qloom_status end(void *self, uint32_t pass, qloom_error *error) {
  (void)self, (void)pass, (void)error;
  return QLOOM_OK;
}

static qloom_status ranges(const void *self, qloom_range *out, uint64_t groups,
                           qloom_error *error) {
  const abs_max *s = (const abs_max *)self;
  uint64_t g;
  if (s->groups == 0) return fail(error, QLOOM_E_ORDER, "nothing was observed");
  if (s->groups != groups) return fail(error, QLOOM_E_INVALID, "other number of groups");
  for (g = 0; g < groups; ++g) {
    out[g].hi = s->factor * s->largest[g];
    out[g].lo = -out[g].hi;
  }
  return QLOOM_OK;
}

static void destroy(void *self) {
  free(((abs_max *)self)->largest);
  free(self);
}

static qloom_status save(const void *self, qloom_writer *writer, qloom_error *error) {
  const abs_max *s = (const abs_max *)self;
  const qloom_status status = state_api->put(writer, "largest", QLOOM_F64, s->largest, s->groups);
  return status == QLOOM_OK ? status : fail(error, status, "largest was not written");
}

static qloom_status load(void *self, const qloom_reader *reader, uint32_t version,
                         qloom_error *error) {
  abs_max *s = (abs_max *)self;
  const void *largest = NULL;
  uint64_t groups = 0;
  if (version > 1) return fail(error, QLOOM_E_STATE, "the state is newer than version 1");
  if (state_api->get(reader, "largest", QLOOM_F64, &largest, &groups) != QLOOM_OK) groups = 0;
  if (groups == 0) {
    free(s->largest);
    s->largest = NULL;
    s->groups = 0;
    return QLOOM_OK;
  }
  if (resize(s, groups, error) != QLOOM_OK) return QLOOM_E_NO_MEMORY;
  memcpy(s->largest, largest, groups * sizeof(double));
  return QLOOM_OK;
}

static const qloom_base base = {sizeof(qloom_base), 1, destroy, save, load};
static const qloom_range_estimator table = {
    sizeof(qloom_range_estimator), 0, 1, 0, begin, observe, end, ranges, NULL};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  abs_max *self = (abs_max *)calloc(1, sizeof(abs_max));
  (void)host;
  (void)site;
  if (self == NULL) return fail(error, QLOOM_E_NO_MEMORY, "no room for the estimator");
  if (params_api->get_f64(params, "/factor", &self->factor) != QLOOM_OK) {
    free(self);
    return fail(error, QLOOM_E_INVALID, "/factor: expected a number");
  }
  out->struct_size = sizeof(qloom_instance);
  out->self = self;
  out->base = &base;
  out->ops = &table;
  return QLOOM_OK;
}

static qloom_status init(const qloom_host *host, qloom_error *error) {
  kernels = (const qloom_kernels *)host->service(host, "qloom.kernels/1");
  params_api = (const qloom_params_api *)host->service(host, "qloom.params/1");
  state_api = (const qloom_state_api *)host->service(host, "qloom.state/1");
  if (kernels == NULL || params_api == NULL || state_api == NULL) {
    return fail(error, QLOOM_E_UNSUPPORTED, "the host lacks a service");
  }
  return QLOOM_OK;
}
static void deinit(void) {}
static uint32_t count(void) { return 1; }

static const qloom_descriptor *at(uint32_t index) {
  static qloom_descriptor descriptor;
  if (index > 0) return NULL;
  descriptor.struct_size = sizeof descriptor;
  descriptor.kind = "qloom.range/1";
  descriptor.id = qloom_manifest[0].id;
  descriptor.version = qloom_manifest[0].version;
  descriptor.manifest = qloom_manifest[0].manifest;
  descriptor.create = create;
  return &descriptor;
}

const qloom_entry QLOOM_ENTRY_SYMBOL = {QLOOM_MAGIC,
                                        sizeof(qloom_entry),
                                        QLOOM_ABI_MAJOR,
                                        QLOOM_ABI_TARGET,
                                        QLOOM_ABI_HASH,
                                        init,
                                        deinit,
                                        count,
                                        at};
