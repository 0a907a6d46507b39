/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <math.h>
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

typedef struct method {
  double shrink, eps, momentum; /* shrink: 1 / deviation^2 */
  uint64_t channels;
  double *running_mean, *running_variance; /* one entry per channel here and below */
  double *mean, *variance;                 /* of the newest batch */
  float *center, *inv, *gamma, *beta;      /* of prepare(): y = gamma (x - center) inv + beta */
  float *rest;                             /* mean = center + rest; beta has it taken off */
  float *dy_mean, *slope;                  /* of backward() */
} method;

static void release(method *s) {
  free(s->running_mean); /* the first of one piece of memory */
  free(s->center);
  s->running_mean = NULL;
  s->center = NULL;
}

static qloom_status begin(void *self, const qloom_norm_context *context, qloom_error *error) {
  method *s = (method *)self;
  const uint64_t n = context->channels;
  double *doubles = (double *)calloc(4 * n + 1, sizeof *doubles);
  float *floats = (float *)calloc(7 * n + 1, sizeof *floats);
  uint64_t c;
  if (doubles == NULL || floats == NULL) {
    free(doubles);
    free(floats);
    return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the statistics");
  }
  release(s);
  s->channels = n;
  s->running_mean = doubles;
  s->running_variance = doubles + n;
  s->mean = doubles + 2 * n;
  s->variance = doubles + 3 * n;
  s->center = floats;
  s->inv = floats + n;
  s->gamma = floats + 2 * n;
  s->beta = floats + 3 * n;
  s->dy_mean = floats + 4 * n;
  s->slope = floats + 5 * n;
  s->rest = floats + 6 * n;
  for (c = 0; c < n; ++c) s->running_variance[c] = 1;
  return QLOOM_OK;
}

/* center, inv, gamma and beta from a mean and a variance, then quantized where the pipeline has
 * rules for the site "norm". rest is what float32 leaves of the mean; a quantized mean has none. */
static qloom_status fill(const method *s, const qloom_norm_call *call, const double *mean,
                         const double *variance, float *center, float *rest, float *inv,
                         float *gamma, float *beta) {
  const char *const names[4] = {"mean", "inv_scale", "gamma", "beta"};
  float *const tables[4] = {center, inv, gamma, beta};
  uint64_t c;
  int t;
  for (c = 0; c < s->channels; ++c) {
    const double d = sqrt(s->shrink * variance[c] + s->eps);
    center[c] = (float)mean[c];
    inv[c] = d > 0 ? (float)fmin(1.0 / d, 3e38) : 0.0f; /* a constant channel: y = beta */
    gamma[c] = call->gamma != NULL ? call->gamma[c] : 1.0f;
    beta[c] = call->beta != NULL ? call->beta[c] : 0.0f;
  }
  for (t = 0; t < 4 && call->slots.quantize != NULL; ++t) {
    const qloom_status status =
        call->slots.quantize(call->slots.self, names[t], tables[t], tables[t], s->channels);
    if (status != QLOOM_OK) return status;
  }
  for (c = 0; c < s->channels && center[c] == (float)mean[c]; ++c) continue;
  for (t = c == s->channels, c = 0; c < s->channels; ++c) { /* t: the mean is not quantized */
    rest[c] = t ? (float)(mean[c] - center[c]) : 0.0f;
  }
  return QLOOM_OK;
}

/* CHANGE: the statistics of a batch, x of rows x channels. */
static qloom_status measure(method *s, const float *x, uint64_t rows, qloom_error *error) {
  const uint64_t n = s->channels;
  const int64_t shape[2] = {(int64_t)rows, (int64_t)n};
  const qloom_tensor tensor = {x, shape, 2, rows * n, rows, n, 1};
  uint64_t c;
  qloom.kernels->reduce(&tensor, QLOOM_REDUCE_SUM, NULL, s->mean);
  for (c = 0; c < n; ++c) s->mean[c] /= (double)rows;
  qloom.kernels->reduce(&tensor, QLOOM_REDUCE_SQUARE_DEVIATION_SUM, s->mean, s->variance);
  for (c = 0; c < n; ++c) {
    s->variance[c] /= (double)rows;
    if (!isfinite(s->variance[c])) {
      return qloom_fail(error, QLOOM_E_NUMERIC, "a channel is not finite");
    }
  }
  return QLOOM_OK;
}

/* The tables of apply(): with the rest of the mean in beta, x - center is enough there. */
static qloom_status fill_own(method *s, const qloom_norm_call *call, const double *mean,
                             const double *variance) {
  const qloom_status status =
      fill(s, call, mean, variance, s->center, s->rest, s->inv, s->gamma, s->beta);
  uint64_t c;
  for (c = 0; c < s->channels && status == QLOOM_OK; ++c) {
    s->beta[c] = (float)(s->beta[c] - (double)s->rest[c] * s->inv[c] * s->gamma[c]);
  }
  return status;
}

/* TRAINING: with the batch's statistics, which also move the running ones; else with those. */
static qloom_status prepare(void *self, const qloom_norm_call *call, const float *x,
                            qloom_error *error) {
  method *s = (method *)self;
  const double m = call->momentum >= 0 ? call->momentum : s->momentum;
  uint64_t c;
  if (call->channels != s->channels) {
    return qloom_fail(error, QLOOM_E_INVALID, "another number of channels");
  }
  if (call->mode != QLOOM_MODE_TRAINING) {
    return fill_own(s, call, s->running_mean, s->running_variance);
  }
  if (call->rows == 0) return QLOOM_OK;
  if (measure(s, x, call->rows, error) != QLOOM_OK) return QLOOM_E_NUMERIC;
  for (c = 0; c < s->channels; ++c) {
    s->running_mean[c] = (1 - m) * s->running_mean[c] + m * s->mean[c];
    s->running_variance[c] = (1 - m) * s->running_variance[c] + m * s->variance[c];
  }
  return fill_own(s, call, s->mean, s->variance);
}

/* Many threads call apply, backward_sums and backward on parts of the rows: they must not write to
 * *self. x, y, dy and dx point to row `first`. */
static void apply(const void *self, const qloom_norm_call *call, uint64_t first, uint64_t rows,
                  const float *x, float *y) {
  const method *s = (const method *)self;
  uint64_t r, c;
  (void)call, (void)first;
  for (r = 0; r < rows; ++r, x += s->channels, y += s->channels) {
    for (c = 0; c < s->channels; ++c) {
      y[c] = (x[c] - s->center[c]) * s->inv[c] * s->gamma[c] + s->beta[c];
    }
  }
}

/* sums[0][c]: of dy, sums[1][c]: of dy * xh, xh = (x - mean) inv */
static void backward_sums(const void *self, const qloom_norm_call *call, uint64_t first,
                          uint64_t rows, const float *x, const float *dy, double *sums) {
  const method *s = (const method *)self;
  uint64_t r, c;
  (void)call, (void)first;
  for (r = 0; r < rows; ++r, x += s->channels, dy += s->channels) {
    for (c = 0; c < s->channels; ++c) {
      sums[c] += dy[c];
      sums[s->channels + c] += (double)dy[c] * ((x[c] - s->center[c] - s->rest[c]) * s->inv[c]);
    }
  }
}

/* CHANGE: what backward() needs per channel, from the sums over all rows. */
static qloom_status backward_prepare(void *self, const qloom_norm_call *call, const double *sums,
                                     float *dgamma, float *dbeta, qloom_error *error) {
  method *s = (method *)self;
  const int is_frozen = call->mode != QLOOM_MODE_TRAINING || call->rows == 0;
  uint64_t c;
  (void)error;
  for (c = 0; c < s->channels; ++c) {
    const double of_dy = sums[c], of_product = sums[s->channels + c];
    if (dbeta != NULL) dbeta[c] = (float)of_dy;
    if (dgamma != NULL) dgamma[c] = (float)of_product;
    s->dy_mean[c] = is_frozen ? 0.0f : (float)(of_dy / (double)call->rows);
    s->slope[c] = is_frozen ? 0.0f : (float)(s->shrink * of_product / (double)call->rows);
  }
  return QLOOM_OK;
}
static void backward(const void *self, const qloom_norm_call *call, uint64_t first, uint64_t rows,
                     const float *x, const float *dy, float *dx) {
  const method *s = (const method *)self;
  uint64_t r, c;
  (void)call, (void)first;
  for (r = 0; r < rows; ++r, x += s->channels, dy += s->channels, dx += s->channels) {
    for (c = 0; c < s->channels; ++c) {
      const float xh = (x[c] - s->center[c] - s->rest[c]) * s->inv[c];
      dx[c] = s->gamma[c] * s->inv[c] * (dy[c] - s->dy_mean[c] - xh * s->slope[c]);
    }
  }
}

/* y = scale x + shift of the running statistics, for evaluation and export. */
static qloom_status inference(const void *self, const qloom_norm_call *call, float *scale,
                              float *shift, qloom_error *error) {
  const method *s = (const method *)self;
  float *tables = (float *)calloc(5 * s->channels + 1, sizeof *tables);
  float *center = tables, *rest, *inv, *gamma, *beta;
  qloom_status status;
  uint64_t c;
  if (tables == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the tables");
  inv = center + s->channels;
  gamma = inv + s->channels;
  beta = gamma + s->channels;
  rest = beta + s->channels;
  status = fill(s, call, s->running_mean, s->running_variance, center, rest, inv, gamma, beta);
  for (c = 0; c < s->channels && status == QLOOM_OK; ++c) {
    scale[c] = gamma[c] * inv[c];
    shift[c] = (float)(beta[c] - ((double)center[c] + rest[c]) * scale[c]);
  }
  free(tables);
  return status;
}

static void destroy(void *self) {
  release((method *)self);
  free(self);
}

/* What a checkpoint keeps. A missing array leaves what is there; on failure nothing changes. */
static qloom_status save(const void *self, qloom_writer *writer, qloom_error *error) {
  const method *s = (const method *)self;
  qloom_status status =
      qloom.state->put(writer, "running_mean", QLOOM_F64, s->running_mean, s->channels);
  (void)error;
  if (status != QLOOM_OK) return status;
  return qloom.state->put(writer, "running_variance", QLOOM_F64, s->running_variance, s->channels);
}
static qloom_status load(void *self, const qloom_reader *reader, uint32_t version,
                         qloom_error *error) {
  method *s = (method *)self;
  const size_t bytes = s->channels * sizeof(double);
  if (version > 1) return qloom_fail(error, QLOOM_E_STATE, "the state is newer than version 1");
  if (s->channels == 0) return QLOOM_OK;
  memcpy(s->mean, s->running_mean, bytes);
  memcpy(s->variance, s->running_variance, bytes);
  if (qloom_load(reader, "running_mean", QLOOM_F64, sizeof(double), s->mean, s->channels, error) !=
          QLOOM_OK ||
      qloom_load(reader, "running_variance", QLOOM_F64, sizeof(double), s->variance, s->channels,
                 error) != QLOOM_OK) {
    return QLOOM_E_STATE;
  }
  memcpy(s->running_mean, s->mean, bytes);
  memcpy(s->running_variance, s->variance, bytes);
  return QLOOM_OK;
}

static const qloom_base base = {sizeof(qloom_base), 1, destroy, save, load};
static const qloom_norm table = {sizeof(qloom_norm),
                                 QLOOM_NORM_AFFINE,
                                 2, /* sums per channel */
                                 begin,
                                 prepare,
                                 apply,
                                 backward_sums,
                                 backward_prepare,
                                 backward,
                                 inference};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  double deviation;
  (void)host;
  (void)site;
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_f64(params, "/deviation", &deviation) != QLOOM_OK ||
      qloom.params->get_f64(params, "/eps", &self->eps) != QLOOM_OK ||
      qloom.params->get_f64(params, "/momentum", &self->momentum) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/deviation, /eps, /momentum: expected numbers");
  }
  self->shrink = 1.0 / (deviation * deviation);
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.norm/1", create);
