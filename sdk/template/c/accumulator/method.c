/* @ID@: see plugin.json for what it does. The places to change are marked CHANGE. */
#include <stdlib.h>

#include <qloom/method.h>

#include "qloom_manifest.h"

/* Registers count in steps of 2^-fraction_bits; double holds them without rounding. */
typedef struct method {
  uint32_t bits;
  double steps, end; /* steps in 1; registers hold -end .. end - 1 */
} method;

/* CHANGE: what the hardware does with one product. */
static double add(const method *s, double sum, float a, float b, uint64_t *overflows) {
  double product = (double)a * b * s->steps;
  /* beyond 2^52 a double is an integer, and the register is full anyway */
  if (product > -4503599627370496.0 && product < 4503599627370496.0) {
    product = (double)(int64_t)product;
  }
  sum += product;
  if (sum >= -s->end && sum <= s->end - 1) return sum;
  ++*overflows;
  return sum < 0 ? -s->end : s->end - 1;
}

/* c = a * b, m x k times k x n, each sum in the order of k. Many threads call this on parts of the
 * result: it must not write to *self. */
static qloom_status accumulate(const void *self, const qloom_call *call, const qloom_tile *t,
                               uint64_t *overflows) {
  const method *s = (const method *)self;
  uint64_t i, j, k;
  (void)call;
  for (i = 0; i < t->m; ++i) {
    for (j = 0; j < t->n; ++j) {
      double sum = 0;
      for (k = 0; k < t->k; ++k) {
        sum = add(s, sum, t->a[(int64_t)i * t->lda + (int64_t)k],
                  t->b[(int64_t)k * t->ldb + (int64_t)j], overflows);
      }
      t->c[(int64_t)i * t->ldc + (int64_t)j] = sum / s->steps;
    }
  }
  return QLOOM_OK;
}

/* 1 would let the host add in any order. */
static uint32_t is_exact(const void *self) {
  (void)self;
  return 0;
}
static uint32_t bits(const void *self) { return ((const method *)self)->bits; }

static const qloom_base base = {sizeof(qloom_base), 1, free, NULL, NULL};
/* 0: operands are real values; QLOOM_ACCUMULATOR_INTEGER: integer codes, as float. */
static const qloom_accumulator table = {sizeof(qloom_accumulator), 0, accumulate, is_exact, bits};

static qloom_status create(const qloom_host *host, const qloom_params *params,
                           const qloom_site *site, qloom_instance *out, qloom_error *error) {
  method *self = (method *)calloc(1, sizeof *self);
  int64_t width, fraction;
  (void)host;
  (void)site;
  if (self == NULL) return qloom_fail(error, QLOOM_E_NO_MEMORY, "no room for the method");
  if (qloom.params->get_i64(params, "/bits", &width) != QLOOM_OK ||
      qloom.params->get_i64(params, "/fraction_bits", &fraction) != QLOOM_OK) {
    free(self);
    return qloom_fail(error, QLOOM_E_INVALID, "/bits, /fraction_bits: expected integers");
  }
  self->bits = (uint32_t)width; /* plugin.json keeps both below 33 */
  self->steps = (double)((int64_t)1 << fraction);
  self->end = (double)((int64_t)1 << (width - 1));
  return qloom_created(out, self, &base, &table);
}

QLOOM_METHOD("qloom.accumulator/1", create);
