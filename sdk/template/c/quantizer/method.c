/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

/* A uniform grid, one entry per group in each table: y = scale * (code - zero_point). */
typedef struct method {
  int64_t bits;
  double width;
  int32_t end;     /* largest code; the smallest is -end */
  uint64_t groups; /* 0: prepare() was not called yet */
  float *scales;   /* scale, inv_scale, one after the other */
  int32_t *codes;  /* zero_point, code_min, code_max, one after the other */
  double *sums, *counts;
} method;

static qloom_grid grid_of(const method *s) {
  const uint64_t n = s->groups;
  qloom_grid grid = {s->scales, s->scales + n, NULL, s->codes, s->codes + n, s->codes + 2 * n};
  return grid;
}

static void release(method *s) {
  free(s->scales);
  free(s->codes);
  free(s->sums);
  free(s->counts);
  s->scales = NULL;
  s->codes = NULL;
  s->sums = s->counts = NULL;
  s->groups = 0;
}

static qloom_status resize(method *s, uint64_t groups, qloom_error *error) {
  if (s->groups == groups) return QLOOM_OK;
  release(s);
  s->scales = (float *)calloc(2 * groups, sizeof *s->scales);
  s->codes = (int32_t *)calloc(3 * groups, sizeof *s->codes);
  s->sums = (double *)calloc(groups, sizeof *s->sums);
  s->counts = (double *)calloc(groups, sizeof *s->counts);
  if (s->scales == NULL || s->codes == NULL || s->sums == NULL || s->counts == NULL) {
    release(s);
    return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the grid");
  }
  s->groups = groups;
  return QLOOM_OK;
}

/* CHANGE: from the tensor (in->x) to one step per group. Once a step, alone on the object. */
static qloom_status prepare(void *self, const qloom_prepare *in, qloom_error *error) {
  method *s = (method *)self;
  const uint64_t n = in->x.groups;
  uint64_t g;
  if (resize(s, n, error) != QLOOM_OK) return QLOOM_E_NO_MEMORY;
  qloom.kernels->reduce(&in->x, QLOOM_REDUCE_ABS_SUM, NULL, s->sums);
  qloom.kernels->reduce(&in->x, QLOOM_REDUCE_COUNT, NULL, s->counts);
  for (g = 0; g < n; ++g) {
    const double count = s->counts[g] > 1 ? s->counts[g] : 1;
    double scale = s->width * s->sums[g] / count / s->end;
    if (!(scale - scale == 0)) return qloom_fail(error, QLOOM_E_NUMERIC, "x is not finite");
    if (scale < 1.1754944e-38) scale = 1.1754944e-38; /* all values are 0 */
    if (scale > 1e37) scale = 1e37;
    s->scales[g] = (float)scale;
    s->scales[n + g] = 1.0f / s->scales[g];
    s->codes[n + g] = -s->end;
    s->codes[2 * n + g] = s->end;
  }
  return QLOOM_OK;
}

/* CHANGE: what has no uniform grid works element by element here. Many threads call these four on
 * parts of a tensor: they must not write to *self. Element i of the block lies in group
 * (block->first + i) / block->inner % block->groups. decode(encode(x)) must have the bits of
 * apply(x). */
static qloom_status apply(const void *self, const qloom_call *call, const qloom_block *block,
                          const float *x, float *y) {
  const qloom_grid grid = grid_of((const method *)self);
  return qloom.kernels->affine(call, &grid, block, x, y, NULL);
}
static qloom_status encode(const void *self, const qloom_call *call, const qloom_block *block,
                           const float *x, int32_t *code) {
  const qloom_grid grid = grid_of((const method *)self);
  return qloom.kernels->affine(call, &grid, block, x, NULL, code);
}
static qloom_status decode(const void *self, const qloom_block *block, const int32_t *code,
                           float *y) {
  const qloom_grid grid = grid_of((const method *)self);
  qloom.kernels->affine_decode(&grid, block, code, y);
  return QLOOM_OK;
}
/* CHANGE: the gradient of x from that of y: here 0 where the code was clipped. NULL in the table
 * below: it is passed on as it is. */
static qloom_status backward(const void *self, const qloom_call *call, const qloom_block *block,
                             const float *x, const float *dy, float *dx, double *sums) {
  const qloom_grid grid = grid_of((const method *)self);
  (void)sums;
  return qloom.kernels->affine_backward(call, &grid, block, x, dy, dx);
}

/* How codes stand for values, for export. */
static qloom_status encoding(const void *self, qloom_encoding *out) {
  const method *s = (const method *)self;
  if (s->groups == 0) return QLOOM_E_UNSUPPORTED;
  out->kind = QLOOM_ENCODING_AFFINE;
  out->bits = (uint32_t)s->bits;
  out->is_signed = 1;
  out->groups = s->groups;
  out->grid = grid_of(s);
  return QLOOM_OK;
}
/* Only asked for with QLOOM_QUANTIZER_WANTS_RANGE: the grid that a range is for. */
static qloom_status context(const void *self, qloom_range_context *out) {
  out->bits = (uint32_t)((const method *)self)->bits;
  out->is_signed = out->symmetric = 1;
  return QLOOM_OK;
}

static void destroy(void *self) {
  release((method *)self);
  free(self);
}

static const qloom_base base = {sizeof(qloom_base), 1, destroy, NULL, NULL};
/* Slots that are not here are NULL: no learned parameters. */
static const qloom_quantizer table = {
    .struct_size = sizeof(qloom_quantizer),
    .caps = QLOOM_QUANTIZER_WANTS_TENSOR | QLOOM_QUANTIZER_USES_ROUNDING,
    .context = context,
    .prepare = prepare,
    .apply = apply,
    .encode = encode,
    .decode = decode,
    .encoding = encoding,
    .backward = backward};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  (void)host;
  (void)site;
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_i64(params, "/bits", &self->bits) != QLOOM_OK ||
      qloom.params->get_f64(params, "/width", &self->width) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/bits, /width: expected numbers");
  }
  self->end = (int32_t)(((int64_t)1 << (self->bits - 1)) - 1);
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.quantizer/1", create);
