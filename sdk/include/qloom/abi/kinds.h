/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * Part of abi.h: the tables of the kinds, but for procedures.
 */
#ifndef QLOOM_ABI_KINDS_H
#define QLOOM_ABI_KINDS_H
#include <qloom/abi/values.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kind "qloom.range/1": range estimators (observers) ------------------ */
typedef struct qloom_range_context { /* what the range is for */
  uint32_t struct_size;
  uint32_t bits;       /* width of the grid's codes */
  uint32_t is_signed;  /* 1: the grid has negative codes */
  uint32_t after_relu; /* 1: the tensor has no negative values by construction */
  uint64_t levels;     /* number of codes of the grid */
  uint32_t symmetric;  /* 1: the grid is symmetric about 0 */
  uint32_t reserved;
} qloom_range_context;
/* qloom_range_estimator.caps */
enum {
  /* the ranges are the same whatever finite values a group has */
  QLOOM_RANGE_IGNORES_VALUES = 1
};
typedef struct qloom_range_estimator {
  uint32_t struct_size, caps;
  uint32_t passes; /* how often the estimator must see the same data; at least 1 */
  uint32_t reserved;
  /* [update] a round of observations starts: pass 0 .. passes - 1 */
  qloom_status (*begin)(void *self, const qloom_range_context *, uint32_t pass,
                        qloom_error *) QLOOM_NOEXCEPT;
  /* [update] one batch of the tensor; parallel work goes through qloom.kernels/1 and
   * qloom.parallel/1, which keep a fixed order */
  qloom_status (*observe)(void *self, const qloom_tensor *, qloom_error *) QLOOM_NOEXCEPT;
  /* [update] the pass is over */
  qloom_status (*end)(void *self, uint32_t pass, qloom_error *) QLOOM_NOEXCEPT;
  /* [update] one range per group; QLOOM_E_ORDER before any data */
  qloom_status (*ranges)(const void *self, qloom_range *out, uint64_t groups,
                         qloom_error *) QLOOM_NOEXCEPT;
  /* [update] optional: observe() of a tensor of which nothing is needed but what
   * qloom_kernels.extremes gives; called in its place where the host has found that already */
  qloom_status (*observe_extremes)(void *self, const double *lo, const double *hi, uint64_t groups,
                                   qloom_error *) QLOOM_NOEXCEPT;
} qloom_range_estimator;

/* ---- kind "qloom.quantizer/1" --------------------------------------------- */
/* qloom_quantizer.caps */
enum {
  QLOOM_QUANTIZER_WANTS_RANGE = 1,        /* prepare() must get ranges */
  QLOOM_QUANTIZER_WANTS_TENSOR = 2,       /* prepare() must get the data, at every step */
  QLOOM_QUANTIZER_USES_ROUNDING = 4,      /* a rounding method has an effect */
  QLOOM_QUANTIZER_WANTS_FIRST_TENSOR = 8, /* prepare() must get the data, until initialised */
  QLOOM_QUANTIZER_WHOLE_BACKWARD = 16,    /* backward_prepare() must be called */
  QLOOM_QUANTIZER_GROUPS_PER_SAMPLE = 32, /* one group for each index of the batch axis */
  QLOOM_QUANTIZER_WANTS_EXTREMES = 64,    /* prepare() must get ranges: the tensor's own, at every
                                           * step; a group without elements has lo > hi */
  QLOOM_QUANTIZER_WANTS_PRODUCTS = 128    /* prepare() must get product_scales: only at the bias of
                                           * a contraction of integer codes */
};
typedef struct qloom_prepare {
  uint32_t struct_size, training;
  uint64_t step, epoch;
  qloom_tensor x;            /* data NULL unless asked for by caps; geometry always */
  const qloom_range *ranges; /* one per group, or NULL */
  double learning_rate;      /* of the present step, 0 outside training */
  /* of a stored parameter, n values each, or NULL; see qloom.tensors/1 */
  const uint8_t *held;                /* 1: the element keeps its bits; a held 0 is pruned */
  const float *importance;            /* weight of an element's squared error, at least 0 */
  const float *second_moment;         /* the optimizer's array of that name */
  uint64_t seed, stream;              /* as in qloom_call: for random words in prepare() */
  uint64_t total_steps, total_epochs; /* of all train stages, each counted once; 0 outside a run */
  const double *product_scales; /* one per group, what 1 in the sum of products stands for: the
                                 * scales of both operands multiplied; NULL unless asked for */
} qloom_prepare;
/* Codes are the truth; a value is made of its code and its group's numbers and rounded once. Arrays
 * belong to the instance, valid until the next prepare. */
typedef struct qloom_encoding {
  uint32_t struct_size, kind; /* QLOOM_ENCODING_* */
  uint32_t bits, is_signed;   /* stored width of one code */
  uint64_t groups;
  qloom_grid grid;        /* AFFINE; FLOAT: scale, NULL for 1; BASES: offset, NULL for 0 */
  const float *codebook;  /* CODEBOOK: groups x codebook_size; BASES: groups x bases */
  uint64_t codebook_size; /* VECTORS: number of vectors */
  qloom_float_format format;
  uint32_t flags;             /* QLOOM_ENCODING_SHARED_EXPONENT */
  uint32_t bases;             /* BASES: how many */
  const float *bits_of_group; /* width per group, 0 allowed; NULL: bits */
  const float *threshold; /* codebook_size - 1 per group, rising; code = number of those below x;
                           * NULL: nearest value, or as the kind says */
  uint64_t vector, vector_inner; /* VECTORS: element i lies at place (i / inner) % vector of vector
                                  * (i / (vector * inner)) * inner + i % inner */
  double stored_bits; /* of the whole tensor with its tables; 0: elements x bits + tables */
  double pad;         /* real value that pads a contraction's input */
} qloom_encoding;
typedef struct qloom_learned { /* storage is the instance's, stable until destroy */
  uint32_t struct_size, reserved;
  const char *name;
  float *value;
  uint64_t count;
  double rate_factor, decay_factor; /* multiply the optimizer's rate and weight decay */
} qloom_learned;
typedef struct qloom_quantizer {
  uint32_t struct_size, caps;
  uint64_t sums_per_group; /* doubles that backward() adds up per group for learned parameters */
  /* [setup] the grid a range estimator works for */
  qloom_status (*context)(const void *self, qloom_range_context *out) QLOOM_NOEXCEPT;
  /* [update] ranges and/or the tensor -> scales, tables, thresholds; before apply() */
  qloom_status (*prepare)(void *self, const qloom_prepare *, qloom_error *) QLOOM_NOEXCEPT;
  /* [pure] the value on the grid that stands for x; y != x */
  qloom_status (*apply)(const void *self, const qloom_call *, const qloom_block *, const float *x,
                        float *y) QLOOM_NOEXCEPT;
  /* [pure] both or none; decode(encode(x)) has the bits of apply(x) */
  qloom_status (*encode)(const void *self, const qloom_call *, const qloom_block *, const float *x,
                         int32_t *code) QLOOM_NOEXCEPT;
  qloom_status (*decode)(const void *self, const qloom_block *, const int32_t *code,
                         float *y) QLOOM_NOEXCEPT;
  /* [update] how the values are represented; QLOOM_E_UNSUPPORTED: not exportable (yet) */
  qloom_status (*encoding)(const void *self, qloom_encoding *out) QLOOM_NOEXCEPT;
  /* [update] optional: x and dy as a whole, before backward() */
  qloom_status (*backward_prepare)(void *self, const qloom_tensor *x, const qloom_tensor *dy,
                                   qloom_error *) QLOOM_NOEXCEPT;
  /* [pure] NULL: dx = dy. dx may be dy. sums[group_count][sums_per_group] is zero on entry; blocks
   * of a whole tensor are cut at multiples of 4096 elements, the host adds their sums in block
   * order. */
  qloom_status (*backward)(const void *self, const qloom_call *, const qloom_block *,
                           const float *x, const float *dy, float *dx, double *sums) QLOOM_NOEXCEPT;
  /* [setup] fills *out for index 0, 1, ...; QLOOM_E_UNSUPPORTED past the last. NULL: none */
  qloom_status (*learned)(void *self, uint32_t index, qloom_learned *out) QLOOM_NOEXCEPT;
  /* [update] sums[groups][sums_per_group] -> one gradient array per learned parameter */
  qloom_status (*learned_gradients)(void *self, const double *sums, uint64_t groups,
                                    float *const *gradients, qloom_error *) QLOOM_NOEXCEPT;
  /* [update] optional: projection after the optimizer changed the learned parameters */
  qloom_status (*after_update)(void *self, qloom_error *) QLOOM_NOEXCEPT;
} qloom_quantizer;

/* ---- kind "qloom.norm/1": x is rows x channels ------------------------------ */
enum { QLOOM_NORM_AFFINE = 1 /* caps: has gamma and beta */ };
enum { QLOOM_MODE_TRAINING = 0, QLOOM_MODE_EVALUATE = 1, QLOOM_MODE_FROZEN = 2 };
typedef struct qloom_slots { /* quantizers of the norm's internals (site "norm"); frozen */
  void *self;
  /* [update] y = quantized x, n values of a slot: "mean", "inv_scale", "gamma", "beta"; y may be x;
   * identity when no rule names the slot. NULL: identity */
  qloom_status (*quantize)(void *self, const char *slot, const float *x, float *y,
                           uint64_t n) QLOOM_NOEXCEPT;
} qloom_slots;
typedef struct qloom_norm_call {
  uint32_t struct_size, mode; /* QLOOM_MODE_* */
  uint64_t rows, channels;
  const float *gamma, *beta; /* channels each, or NULL: 1 and 0 */
  double momentum;           /* weight of this batch in the running statistics; < 0: the method's */
  qloom_slots slots;
} qloom_norm_call;
typedef struct qloom_norm_context {
  uint32_t struct_size, reserved;
  uint64_t channels;
  uint64_t fan_in; /* products per output of the contraction that feeds this norm, 0: none */
} qloom_norm_context;
typedef struct qloom_norm {
  uint32_t struct_size, caps;
  uint64_t sums_per_channel; /* doubles that backward_sums() adds up per channel */
  /* [setup] after create, before anything else */
  qloom_status (*begin)(void *self, const qloom_norm_context *, qloom_error *) QLOOM_NOEXCEPT;
  /* [update] TRAINING: statistics of the batch x, which move the running ones; FROZEN: running
   * statistics as constants. Before apply(). */
  qloom_status (*prepare)(void *self, const qloom_norm_call *, const float *x,
                          qloom_error *) QLOOM_NOEXCEPT;
  /* [pure] rows first .. first + rows - 1; x and y point to row `first`. y may be x. */
  void (*apply)(const void *self, const qloom_norm_call *, uint64_t first, uint64_t rows,
                const float *x, float *y) QLOOM_NOEXCEPT;
  /* [pure] adds rows to sums[sums_per_channel][channels]; zero at the first row of each run of
   * rows, whose length depends on channels alone; the host adds the runs' sums in order */
  void (*backward_sums)(const void *self, const qloom_norm_call *, uint64_t first, uint64_t rows,
                        const float *x, const float *dy, double *sums) QLOOM_NOEXCEPT;
  /* [update] of the last prepare(); the sums of all rows -> dgamma, dbeta (may be NULL) and what
   * backward() needs */
  qloom_status (*backward_prepare)(void *self, const qloom_norm_call *, const double *sums,
                                   float *dgamma, float *dbeta, qloom_error *) QLOOM_NOEXCEPT;
  /* [pure] dx of rows first .. first + rows - 1; dx may be dy */
  void (*backward)(const void *self, const qloom_norm_call *, uint64_t first, uint64_t rows,
                   const float *x, const float *dy, float *dx) QLOOM_NOEXCEPT;
  /* [update] inference form y = scale[c] * x + shift[c] */
  qloom_status (*inference)(const void *self, const qloom_norm_call *, float *scale, float *shift,
                            qloom_error *) QLOOM_NOEXCEPT;
} qloom_norm;

/* ---- kind "qloom.accumulator/1" ---------------------------------------------- */
/* caps */
enum {
  QLOOM_ACCUMULATOR_INTEGER = 1,      /* operands are integer codes; otherwise real values */
  QLOOM_ACCUMULATOR_USES_ROUNDING = 2 /* a rounding method has an effect */
};
typedef struct qloom_accumulator {
  uint32_t struct_size, caps;
  /* [pure] the whole tile, k ascending; adds to *overflows the additions that did not fit */
  qloom_status (*accumulate)(const void *self, const qloom_call *, const qloom_tile *,
                             uint64_t *overflows) QLOOM_NOEXCEPT;
  /* [setup] 1: the sum is exact, so integer codes may be added in any order and by any means; real
   * values still go to accumulate(). 0: accumulate() alone gives the sum */
  uint32_t (*is_exact)(const void *self) QLOOM_NOEXCEPT;
  /* [setup] width of one accumulator register, for the report. Unit: bits. */
  uint32_t (*bits)(const void *self) QLOOM_NOEXCEPT;
} qloom_accumulator;

/* ---- kind "qloom.requantizer/1": integer sums -> codes, as a chain of steps ---- */
/* qloom_step.op: what becomes of v, a mathematical integer that never leaves 64 bits */
enum {
  QLOOM_STEP_ADD = 0,         /* v + c */
  QLOOM_STEP_MULTIPLY = 1,    /* v * c */
  QLOOM_STEP_SHIFT_LEFT = 2,  /* v * 2^c, c in 0 .. 62 */
  QLOOM_STEP_SHIFT_RIGHT = 3, /* v / 2^c, rounded as named, c in 0 .. 62 */
  QLOOM_STEP_CLAMP = 4,       /* constants low, high */
  QLOOM_STEP_COUNT = 5,       /* number of constants that are at most v; they ascend */
  QLOOM_STEP_WRAP = 6,        /* to c bits in two's complement, c in 1 .. 64 */
  QLOOM_STEP_SATURATE = 7,    /* to the nearest number of c bits in two's complement */
  QLOOM_STEP_TABLE = 8,       /* constants[v], v in 0 .. per_channel - 1 */
  QLOOM_STEP_FLOAT_SCALE = 9  /* float32(v) * factor in float32, rounded half to even: no integer
                               * program any more */
};
typedef struct qloom_step { /* constants belong to the instance until the next derive() */
  uint32_t struct_size, op; /* QLOOM_STEP_* */
  uint32_t rounding;        /* SHIFT_RIGHT: QLOOM_ROUND_NEAREST_EVEN .. TOWARD_POSITIVE */
  uint32_t input;           /* 0: after the sum; i: prepares input i of a join, counted from 1 */
  const int64_t *constants; /* groups x per_channel */
  const float *factors;     /* FLOAT_SCALE, in place of constants */
  uint64_t groups;          /* 1 or the channels */
  uint64_t per_channel;
} qloom_step;
/* code = clamp(round(sum over the inputs of factor * v + offset) + zero_point) */
typedef struct qloom_requantize_task {
  uint32_t struct_size;
  uint32_t inputs; /* 1: a sum; more: a join of codes, their zero points taken off */
  uint64_t channels;
  const double *factor;             /* inputs x channels, finite */
  const double *offset;             /* channels, finite */
  const int64_t *sum_min, *sum_max; /* inputs x channels: what v can reach; min <= 0 <= max where
                                     * inputs > 1 */
  int32_t code_min, code_max;       /* after relu and the like were folded in */
  int32_t zero_point;               /* code of 0 */
  uint32_t rounding;                /* of the rule: QLOOM_ROUND_NEAREST_EVEN .. TOWARD_POSITIVE */
} qloom_requantize_task;
typedef struct qloom_requantizer {
  uint32_t struct_size, caps; /* no caps yet: 0 */
  /* [update] At most *count steps, whose number goes to *count; steps of input i stand in their
   * order, those after the sum too. The codes lie in code_min .. code_max for every v of the task.
   * QLOOM_E_UNSUPPORTED with channel and reason when it cannot. */
  qloom_status (*derive)(void *self, const qloom_requantize_task *, qloom_step *steps,
                         uint64_t *count, qloom_error *) QLOOM_NOEXCEPT;
} qloom_requantizer;

#ifdef __cplusplus
}
#endif
#endif
