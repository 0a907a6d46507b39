/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * Part of abi.h: the tables that a host gives to every method.
 */
#ifndef QLOOM_ABI_SERVICES_H
#define QLOOM_ABI_SERVICES_H
#include <qloom/abi/discovery.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- services ------------------------------------------------------------------- */
/* "qloom.kernels/1": the host's SIMD core, already dispatched. Any n, any element alignment.
 * All are exact: the same bits on every instruction set and for any number of threads. */
typedef struct qloom_kernels {
  uint32_t struct_size, isa; /* QLOOM_ISA_* */
  const char *isa_name;
  /* [pure] uniform grid; y or code may be NULL, not both. Uses call->rounding. */
  qloom_status (*affine)(const qloom_call *, const qloom_grid *, const qloom_block *,
                         const float *x, float *y, int32_t *code) QLOOM_NOEXCEPT;
  /* [pure] y = offset + (code - zero_point) * scale */
  void (*affine_decode)(const qloom_grid *, const qloom_block *, const int32_t *code,
                        float *y) QLOOM_NOEXCEPT;
  /* [pure] dx = dy where code_min <= round(t) + zero_point <= code_max, else 0 */
  qloom_status (*affine_backward)(const qloom_call *, const qloom_grid *, const qloom_block *,
                                  const float *x, const float *dy, float *dx) QLOOM_NOEXCEPT;
  /* [pure] dx = dy where lo[group] <= x <= hi[group], else 0 */
  void (*clip_backward)(const float *lo, const float *hi, const qloom_block *, const float *x,
                        const float *dy, float *dx) QLOOM_NOEXCEPT;
  /* [pure] y = high[g] where x > high_threshold[g], low[g] where x < low_threshold[g], else 0 */
  void (*ternary)(const float *low_threshold, const float *high_threshold, const float *low,
                  const float *high, const qloom_block *, const float *x, float *y) QLOOM_NOEXCEPT;
  /* [pure] nearest value of the format under call->rounding; y or code may be NULL, not both */
  qloom_status (*minifloat)(const qloom_call *, const qloom_float_format *, const qloom_block *,
                            const float *x, float *y, int32_t *code) QLOOM_NOEXCEPT;
  /* [pure] bit patterns of the format -> values */
  void (*minifloat_decode)(const qloom_float_format *, const int32_t *code, float *y,
                           uint64_t n) QLOOM_NOEXCEPT;
  /* [pure] y = round(x) under call->rounding, random words first, first + 1, ...; y may be x */
  qloom_status (*round)(const qloom_call *, uint64_t first, const float *x, float *y,
                        uint64_t n) QLOOM_NOEXCEPT;
  /* [pure] words first .. first + n - 1 of the stream, Philox4x32-10 */
  void (*random_u32)(uint64_t seed, uint64_t stream, uint64_t step, uint64_t first, uint32_t *out,
                     uint64_t n) QLOOM_NOEXCEPT;
  /* [any] out[groups] = the figure QLOOM_REDUCE_*; center only where the figure has one.
   * MIN, MAX and ABS_MAX skip NaN; of a group without elements they give +inf, -inf and 0. */
  void (*reduce)(const qloom_tensor *, uint32_t figure, const double *center,
                 double *out) QLOOM_NOEXCEPT;
  /* [any] one pass: lo[groups], hi[groups] the smallest and largest finite value (zero as +0; +inf
   * and -inf of a group without one), nonfinite[groups] the number of NaN and infinities */
  void (*extremes)(const qloom_tensor *, double *lo, double *hi,
                   uint64_t *nonfinite) QLOOM_NOEXCEPT;
  /* [any] out[groups][bins]: counts of x in bins equal intervals of [lo[g], hi[g]]; values outside
   * go to the end bins, NaN is skipped; abs = 1 counts |x| */
  void (*histogram)(const qloom_tensor *, const double *lo, const double *hi, uint64_t bins,
                    uint32_t abs, uint64_t *out) QLOOM_NOEXCEPT;
  /* [pure] register of `width` bits, two's complement, one product added at a time, k ascending;
   * wrap = 0 saturates */
  void (*accumulate_integer)(const qloom_tile *, uint32_t width, uint32_t wrap,
                             uint64_t *overflows) QLOOM_NOEXCEPT;
  /* [pure] total = 0; for each chunk: s = 0, s = R(s + product); total = R(total + s);
   * chunk 0: one chunk. A product is rounded to float32 (nearest, ties to even; exact for operands
   * of at most 12 significant bits), a sum is formed in double and rounded by R to the format
   * under call->rounding. Random word of addition j of result i: i * (k + chunks) + j. */
  qloom_status (*accumulate_float)(const qloom_call *, const qloom_tile *,
                                   const qloom_float_format *, uint64_t chunk,
                                   uint64_t *overflows) QLOOM_NOEXCEPT;
  /* [any] out[groups][count]: of each group's finite values in ascending order (abs = 1: of their
   * magnitudes) those number rank[groups][count], 0 the smallest. A zero is +0; NaN past the last.
   * Of n values: the median is number (n - 1) / 2 and n / 2. */
  void (*order_statistics)(const qloom_tensor *, uint32_t abs, const uint64_t *rank, uint64_t count,
                           double *out) QLOOM_NOEXCEPT;
} qloom_kernels;

typedef struct qloom_parallel { /* "qloom.parallel/1" */
  uint32_t struct_size, reserved;
  /* [any] body(context, 0 .. count - 1), each once, on the host's threads, in no order */
  void (*for_each)(uint64_t count, void (*body)(void *context, uint64_t index) QLOOM_NOEXCEPT,
                   void *context) QLOOM_NOEXCEPT;
} qloom_parallel;

typedef struct qloom_params_api { /* "qloom.params/1": JSON Pointer access; a miss is E_INVALID */
  uint32_t struct_size, reserved;
  qloom_status (*get_i64)(const qloom_params *, const char *ptr, int64_t *) QLOOM_NOEXCEPT;
  qloom_status (*get_f64)(const qloom_params *, const char *ptr, double *) QLOOM_NOEXCEPT;
  qloom_status (*get_bool)(const qloom_params *, const char *ptr, int32_t *) QLOOM_NOEXCEPT;
  /* borrowed, NUL-terminated, valid during create() */
  qloom_status (*get_string)(const qloom_params *, const char *ptr, const char **) QLOOM_NOEXCEPT;
  /* number of elements of an array or object; other values: E_INVALID */
  qloom_status (*get_size)(const qloom_params *, const char *ptr, uint64_t *) QLOOM_NOEXCEPT;
} qloom_params_api;

typedef struct qloom_state_api { /* "qloom.state/1": named, typed arrays */
  uint32_t struct_size, reserved;
  qloom_status (*put)(qloom_writer *, const char *key, uint32_t dtype, const void *data,
                      uint64_t count) QLOOM_NOEXCEPT;
  /* borrowed; QLOOM_E_STATE when missing or of another type */
  qloom_status (*get)(const qloom_reader *, const char *key, uint32_t dtype, const void **data,
                      uint64_t *count) QLOOM_NOEXCEPT;
} qloom_state_api;

/* "qloom.methods/1": a method inside a method. The manifest marks the parameter that names it with
 * "x-qloom-kind": "quantizer" or another kind; its value is an object {"plugin": id, ...}. */
typedef struct qloom_methods_api {
  uint32_t struct_size, reserved;
  /* [setup] inside create(): the method that the parameter at `ptr` names, checked against its own
   * manifest; `site` as create() got it. Ends with out->base->destroy. E_INVALID for a parameter
   * that is not marked */
  qloom_status (*create)(const qloom_params *, const char *ptr, const qloom_site *site,
                         qloom_instance *out, qloom_error *) QLOOM_NOEXCEPT;
  /* [setup] inside save() and load(): its state, as arrays "<name>/...". load() leaves the instance
   * unchanged on failure */
  qloom_status (*save)(qloom_writer *, const char *name, const qloom_instance *,
                       qloom_error *) QLOOM_NOEXCEPT;
  qloom_status (*load)(const qloom_reader *, const char *name, qloom_instance *,
                       qloom_error *) QLOOM_NOEXCEPT;
} qloom_methods_api;

/* "qloom.linear/1": small dense systems in double, matrices row-major. [any] The same bits on every
 * machine and for any number of threads. Out of finite numbers only; otherwise E_NUMERIC. */
typedef struct qloom_linear_api {
  uint32_t struct_size, reserved;
  /* x[n][columns] of least Frobenius norm among those that minimise ||a x - b||, where
   * a[m][n] may have any rank and b is [m][columns]; *rank (may be NULL) gets a's */
  qloom_status (*least_squares)(uint64_t m, uint64_t n, const double *a, uint64_t columns,
                                const double *b, double *x, uint64_t *rank,
                                qloom_error *) QLOOM_NOEXCEPT;
  /* x[n][columns] with a x = b, a[n][n] symmetric (its lower triangle is read) and positive
   * definite: otherwise E_NUMERIC */
  qloom_status (*cholesky_solve)(uint64_t n, const double *a, uint64_t columns, const double *b,
                                 double *x, qloom_error *) QLOOM_NOEXCEPT;
  /* a[n][n] symmetric (its lower triangle is read): values[n] ascending, vectors[n][n] with
   * eigenvector j in column j, of length 1, its entry of largest magnitude (the first such)
   * positive; vectors may be NULL */
  qloom_status (*symmetric_eigen)(uint64_t n, const double *a, double *values, double *vectors,
                                  qloom_error *) QLOOM_NOEXCEPT;
} qloom_linear_api;

#ifdef __cplusplus
}
#endif
#endif
