/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * The binary contract between the qloom host and a method: everything that may cross a plugin
 * boundary. C99; needs nothing but <stddef.h> and <stdint.h>. docs/abi.md holds the rules.
 *
 * Thread tags, one at every function pointer:
 *   [any]    any thread, concurrently
 *   [setup]  never together with any other call on the same instance or library
 *   [update] one thread at a time per instance, ordered by step
 *   [pure]   any number of threads at once on one instance; must not write to the instance
 */
#ifndef QLOOM_ABI_H
#define QLOOM_ABI_H
#include <stddef.h>
#include <stdint.h>

#define QLOOM_ABI_MAJOR 0u
#define QLOOM_ABI_MINOR 0u /* newest minor this header describes */
#ifndef QLOOM_ABI_TARGET   /* lowest minor the plugin can live on */
#define QLOOM_ABI_TARGET 0u
#endif
#if QLOOM_ABI_TARGET > QLOOM_ABI_MINOR
#error "QLOOM_ABI_TARGET is newer than this header"
#endif
/* While major is 0 host and plugin must be built from the same abi.h: qloom_add_plugin() passes
 * the first 16 hex digits of its SHA-256 here. */
#ifndef QLOOM_ABI_HASH
#define QLOOM_ABI_HASH 0u
#endif

#define QLOOM_EXPORT __attribute__((visibility("default")))
#ifdef __cplusplus
#define QLOOM_NOEXCEPT noexcept
extern "C" {
#else
#define QLOOM_NOEXCEPT
#endif

/* Is `field` inside the struct the writer of *p knew? */
#define QLOOM_HAS(type, p, field) ((p)->struct_size >= offsetof(type, field) + sizeof((p)->field))

/* ---- status and small constants: values never change ------------------- */
typedef int32_t qloom_status;
enum {
  QLOOM_OK = 0,
  QLOOM_E_INVALID = 1,     /* argument or parameter refused */
  QLOOM_E_UNSUPPORTED = 2, /* valid, but this method cannot do it */
  QLOOM_E_NO_MEMORY = 3,
  QLOOM_E_ORDER = 4,   /* call not allowed in this phase */
  QLOOM_E_NUMERIC = 5, /* non-finite where finite was promised */
  QLOOM_E_STATE = 6,   /* checkpoint entry missing, mistyped, too new */
  QLOOM_E_INTERNAL = 7 /* an exception was caught at the boundary */
};
/* element types of named state arrays */
enum { QLOOM_F32 = 1, QLOOM_F64 = 2, QLOOM_I32 = 3, QLOOM_I64 = 4, QLOOM_U8 = 5 };
/* rounding rules the host's kernels fuse; 0 means "call the rounding method" */
enum {
  QLOOM_ROUND_GENERIC = 0,
  QLOOM_ROUND_NEAREST_EVEN = 1,
  QLOOM_ROUND_NEAREST_AWAY = 2,
  QLOOM_ROUND_NEAREST_UP = 3,
  QLOOM_ROUND_TOWARD_ZERO = 4,
  QLOOM_ROUND_TOWARD_NEGATIVE = 5,
  QLOOM_ROUND_TOWARD_POSITIVE = 6,
  QLOOM_ROUND_STOCHASTIC = 7,      /* argument: random bits, 1 to 32, and the flags of
                                    * qloom/stochastic.h in its upper half */
  QLOOM_ROUND_STOCHASTIC_EQUAL = 8 /* up or down with equal probability; grid points stay */
};
/* kinds of encoding, qloom_encoding.kind */
enum {
  QLOOM_ENCODING_NONE = 0,
  QLOOM_ENCODING_AFFINE = 1,   /* y = offset + scale * (code - zero_point) */
  QLOOM_ENCODING_FLOAT = 2,    /* y = scale * v, code is the bit pattern of v in `format` */
  QLOOM_ENCODING_CODEBOOK = 3, /* y = codebook[group * codebook_size + code] */
  /* y = offset[g] + sum over j of codebook[g * bases + j] * (2 * bit j of code - 1) */
  QLOOM_ENCODING_BASES = 4,
  QLOOM_ENCODING_VECTORS = 5 /* y = codebook[code * vector + place], see vector, vector_inner */
};
/* qloom_encoding.flags */
enum {
  /* every scale is a power of two and is stored as an exponent of 8 bits: block floating point
   * where the kind is AFFINE, microscaling formats where it is FLOAT */
  QLOOM_ENCODING_SHARED_EXPONENT = 1
};
/* qloom_site.role: what passes there */
enum {
  QLOOM_SITE_WEIGHT = 1,     /* a parameter on its way into the forward pass */
  QLOOM_SITE_ACTIVATION = 2, /* values between layers, the network's input and its logits */
  QLOOM_SITE_ERROR = 3,      /* dL/d(activation) */
  QLOOM_SITE_GRADIENT = 4,   /* dL/d(parameter) */
  QLOOM_SITE_UPDATE = 5,     /* a stored parameter after its update, and its momentum */
  QLOOM_SITE_STATISTIC = 6,  /* mean or inverse scale of a norm */
  QLOOM_SITE_SUM = 7         /* sums of products: where an accumulator stands */
};
/* qloom_float_format.specials: what the top exponent codes mean */
enum {
  QLOOM_SPECIALS_NONE = 0, /* all codes are finite */
  QLOOM_SPECIALS_IEEE = 1, /* top exponent is infinity and NaN */
  QLOOM_SPECIALS_FN = 2,   /* only the all-ones code is NaN, no infinity */
  QLOOM_SPECIALS_FNUZ = 3  /* code 1000..0 is NaN, no infinity, no negative zero */
};
/* qloom_kernels.reduce: one figure per group, in double */
enum {
  QLOOM_REDUCE_MIN = 1,
  QLOOM_REDUCE_MAX = 2,
  QLOOM_REDUCE_ABS_MAX = 3,
  QLOOM_REDUCE_SUM = 4,
  QLOOM_REDUCE_ABS_SUM = 5,
  QLOOM_REDUCE_SQUARE_SUM = 6,
  QLOOM_REDUCE_ABS_DEVIATION_SUM = 7,    /* sum |x - center[group]| */
  QLOOM_REDUCE_SQUARE_DEVIATION_SUM = 8, /* sum (x - center[group])^2 */
  QLOOM_REDUCE_NONFINITE = 9,            /* count of NaN and infinities */
  QLOOM_REDUCE_COUNT = 10                /* elements in the group */
};
/* qloom_kernels.isa: what the kernels use and what a method's own loops may use */
enum {
  QLOOM_ISA_SCALAR = 0, /* the definition, one element at a time */
  QLOOM_ISA_SSE2 = 1,
  QLOOM_ISA_AVX2 = 2,  /* with FMA */
  QLOOM_ISA_AVX512 = 3 /* F, CD, DQ, BW, VL */
};

/* ---- plain values: layout frozen, may sit in arrays --------------------- */
typedef struct qloom_range {
  double lo, hi;
} qloom_range;

/* A whole tensor seen as outer x groups x inner, contiguous, row major: element i lies in group
 * (i / inner) % groups. n == outer * groups * inner except that the last group of a group-of-k
 * tensor may be short. data is NULL where only the geometry is told. */
typedef struct qloom_tensor {
  const float *data;
  const int64_t *shape;
  uint64_t rank, n, outer, groups, inner;
} qloom_tensor;

/* A contiguous run of a tensor: elements first .. first + n - 1 of it. When the run does not wrap
 * around the groups, it touches groups group_first .. group_first + group_count - 1; otherwise
 * group_first is 0 and group_count is groups. */
typedef struct qloom_block {
  uint64_t first, n, groups, inner, group_first, group_count;
} qloom_block;

/* One-element-per-group tables of a uniform grid:
 *   t = (x - offset) * inv_scale;  code = clamp(round(t) + zero_point, code_min, code_max)
 *   y = offset + (code - zero_point) * scale
 * offset may be NULL: 0. Magnitudes of code_min, code_max and zero_point are at most 2^24. */
typedef struct qloom_grid {
  const float *scale, *inv_scale, *offset;
  const int32_t *zero_point, *code_min, *code_max;
} qloom_grid;

/* sign, exponent_bits, mantissa_bits; value = (-1)^s 2^(E-bias) (1 + f/2^m), subnormals at E = 0 */
typedef struct qloom_float_format {
  uint32_t exponent_bits, mantissa_bits;
  int32_t bias;
  uint32_t specials;   /* QLOOM_SPECIALS_* */
  uint32_t subnormals; /* 0: magnitudes below the smallest normal become 0 before rounding */
  uint32_t saturate;   /* 1: overflow and infinities give the largest value; 0: infinity or NaN */
} qloom_float_format;

/* c[m x n] = sum over k of a[m x k] * b[k x n]. Row pitches in elements. Integer accumulators get
 * integer codes (zero point taken off) stored as float. first: index of c[0][0] in the whole
 * result, row_step: index distance of two rows, for random streams. */
typedef struct qloom_tile {
  const float *a, *b;
  double *c;
  int64_t lda, ldb, ldc;
  uint64_t m, n, k, first, row_step;
} qloom_tile;

/* ---- sized records: grow at the end only -------------------------------- */
typedef struct qloom_error { /* allocated by the caller, filled on failure */
  uint32_t struct_size;
  qloom_status code;
  char message[504];
} qloom_error;

typedef struct qloom_call qloom_call;
typedef struct qloom_rounding { /* kind "qloom.rounding/1" */
  uint32_t struct_size, caps;
  /* [pure] y = round(x), x in grid steps, y integer-valued; element i draws random word first + i.
   * y may be x. */
  qloom_status (*round)(const void *self, const qloom_call *, uint64_t first, const float *x,
                        float *y, uint64_t n) QLOOM_NOEXCEPT;
  /* [setup] optional: "I am exactly rule *rule with *argument", lets the kernels fuse */
  qloom_status (*lower)(const void *self, uint32_t *rule, uint32_t *argument) QLOOM_NOEXCEPT;
} qloom_rounding;

typedef struct qloom_rounding_ref { /* frozen */
  const void *self;
  const qloom_rounding *ops;
  uint32_t rule, argument; /* QLOOM_ROUND_*, from lower() */
} qloom_rounding_ref;

struct qloom_call { /* what every [pure] call carries */
  uint32_t struct_size, training;
  uint64_t seed;   /* key of the run's random numbers */
  uint64_t stream; /* key of this tensor and use */
  uint64_t step;   /* training step; random word i is a function of seed, stream, step, i */
  qloom_rounding_ref rounding;
  qloom_error *error;
};

typedef struct qloom_host qloom_host;
typedef struct qloom_params qloom_params; /* opaque, validated, defaults applied */
typedef struct qloom_writer qloom_writer; /* opaque checkpoint sink */
typedef struct qloom_reader qloom_reader;

struct qloom_host {
  uint32_t struct_size, abi_minor;
  void *impl;
  const char *name, *version;
  /* [any] table for a service id such as "qloom.kernels/1", or NULL */
  const void *(*service)(const qloom_host *, const char *id)QLOOM_NOEXCEPT;
  /* [any] level: 0 trace .. 4 error */
  void (*log)(const qloom_host *, int32_t level, const char *utf8) QLOOM_NOEXCEPT;
};

typedef struct qloom_base { /* the same four verbs for every kind */
  uint32_t struct_size, state_version;
  /* [setup] */
  void (*destroy)(void *self) QLOOM_NOEXCEPT;
  /* [setup] NULL: no state */
  qloom_status (*save)(const void *self, qloom_writer *, qloom_error *) QLOOM_NOEXCEPT;
  /* [setup] NULL: no state; a missing array means its default; unchanged on failure */
  qloom_status (*load)(void *self, const qloom_reader *, uint32_t version,
                       qloom_error *) QLOOM_NOEXCEPT;
} qloom_base;

typedef struct qloom_site { /* where in a network a method acts; borrowed, valid during create() */
  uint32_t struct_size, role; /* QLOOM_SITE_* */
  const char *name, *layer;   /* "weight", "conv1" */
  const char *slot;           /* internal of a norm, such as "inv_scale", or NULL */
  uint64_t channels;          /* of the tensor along its channel axis */
  uint64_t fan_in;            /* products per output of the layer's contraction; 0: it has none */
} qloom_site;

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
  QLOOM_QUANTIZER_WANTS_EXTREMES = 64     /* prepare() must get ranges: the tensor's own, at every
                                           * step; a group without elements has lo > hi */
};
typedef struct qloom_prepare {
  uint32_t struct_size, training;
  uint64_t step, epoch;
  qloom_tensor x;            /* data NULL unless asked for by caps; geometry always */
  const qloom_range *ranges; /* one per group, or NULL */
  double learning_rate;      /* of the present step, 0 outside training */
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

/* ---- kind "qloom.procedure/1": coarse; drives the run through "qloom.run/1" ---- */
/* events; caps of a procedure is the sum of 1 << event it wants */
enum {
  QLOOM_EVENT_PREPARE = 0, /* model built and initialised, before the first stage */
  QLOOM_EVENT_BEFORE_STEP = 1,
  QLOOM_EVENT_LOSS = 2,           /* logits and their gradient may be changed */
  QLOOM_EVENT_AFTER_BACKWARD = 3, /* gradients are complete, optimizer has not run */
  QLOOM_EVENT_AFTER_STEP = 4,     /* weights are updated */
  QLOOM_EVENT_AFTER_EPOCH = 5,
  QLOOM_EVENT_STAGE = 6,   /* before each stage */
  QLOOM_EVENT_FINALIZE = 7 /* after the last train stage */
};
typedef struct qloom_run qloom_run; /* opaque */
typedef struct qloom_event {
  uint32_t struct_size, event;
  uint64_t step, epoch; /* steps and epochs done before this event */
  uint64_t stage, stages;
  const char *stage_type; /* "train", "calibrate", "evaluate" */
} qloom_event;
typedef struct qloom_procedure {
  uint32_t struct_size, caps;
  /* [update] */
  qloom_status (*on)(void *self, qloom_run *, const qloom_event *, qloom_error *) QLOOM_NOEXCEPT;
} qloom_procedure;

/* qloom_run_tensor.role */
enum { QLOOM_ROLE_WEIGHT = 1, QLOOM_ROLE_BIAS = 2, QLOOM_ROLE_GAMMA = 3, QLOOM_ROLE_BETA = 4 };
typedef struct qloom_run_tensor {
  uint32_t struct_size, role;
  const char *layer;      /* name of the layer it belongs to */
  float *value;           /* stored (master) values; may be written */
  float *gradient;        /* of the present step; may be written; NULL outside training */
  const float *quantized; /* as the contraction last saw it; value itself where no rule acts */
  uint64_t n, fan_in;
  int64_t shape[4]; /* output channels first; unused entries are 1 */
  float *shadow;    /* what evaluation uses instead, see set_shadow; NULL: none; may be written */
} qloom_run_tensor;
typedef struct qloom_run_norm {
  uint32_t struct_size, reserved;
  const char *layer;
  const char *producer; /* contraction whose only consumer is this norm, or NULL */
  uint64_t channels;
} qloom_run_norm;

/* ---- discovery ------------------------------------------------------------------ */
typedef struct qloom_instance { /* filled by create() */
  uint32_t struct_size, reserved;
  void *self;
  const qloom_base *base;
  const void *ops; /* the table named by the descriptor's kind */
} qloom_instance;

typedef struct qloom_descriptor {
  uint32_t struct_size, flags;
  const char *kind, *id, *version;
  const char *manifest; /* JSON text of the method's entry in plugin.json */
  /* [setup] site: where it will act; NULL outside a network, and for norms (begin() tells them) and
   * procedures. On failure nothing was created and *out is untouched */
  qloom_status (*create)(const qloom_host *, const qloom_params *, const qloom_site *site,
                         qloom_instance *out, qloom_error *) QLOOM_NOEXCEPT;
} qloom_descriptor;

typedef struct qloom_entry { /* constant data: readable before any plugin code runs */
  uint32_t magic, struct_size;
  uint32_t abi_major, abi_target;
  uint64_t abi_hash;
  /* [setup] called once per load */
  qloom_status (*init)(const qloom_host *, qloom_error *) QLOOM_NOEXCEPT;
  void (*deinit)(void) QLOOM_NOEXCEPT;
  uint32_t (*count)(void) QLOOM_NOEXCEPT;
  const qloom_descriptor *(*at)(uint32_t)QLOOM_NOEXCEPT;
} qloom_entry;
#define QLOOM_MAGIC 0x304D4C51u /* "QLM0" */
#ifndef QLOOM_ENTRY_SYMBOL      /* renamed when plugins are linked statically */
#define QLOOM_ENTRY_SYMBOL qloom_entry_v0
#endif
extern QLOOM_EXPORT const qloom_entry QLOOM_ENTRY_SYMBOL;

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
  void (*order_statistics)(const qloom_tensor *, uint32_t abs, const uint64_t *rank,
                           uint64_t count, double *out) QLOOM_NOEXCEPT;
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

typedef struct qloom_run_api { /* "qloom.run/1"; all [update], from inside on() only */
  uint32_t struct_size, reserved;
  qloom_status (*tensor)(qloom_run *, uint64_t index, qloom_run_tensor *) QLOOM_NOEXCEPT;
  qloom_status (*norm)(qloom_run *, uint64_t index, qloom_run_norm *) QLOOM_NOEXCEPT;
  /* inference form of norm `index` with its present statistics, channels values each */
  qloom_status (*norm_inference)(qloom_run *, uint64_t index, float *scale,
                                 float *shift) QLOOM_NOEXCEPT;
  /* the norm's layer hands its input on; its producer gets a bias, zero at first, if it had none;
   * later indices move down by one */
  qloom_status (*remove_norm)(qloom_run *, uint64_t index) QLOOM_NOEXCEPT;
  /* evaluation uses these n values, unquantized, in place of tensor `index`; NULL: back */
  qloom_status (*set_shadow)(qloom_run *, uint64_t index, const float *values) QLOOM_NOEXCEPT;
  /* running statistics of all norms anew: cumulative average over `batches` training batches
   * (0: all), forward only, with the weights evaluation uses */
  qloom_status (*retune_norms)(qloom_run *, uint64_t batches) QLOOM_NOEXCEPT;
  /* logits[batch][classes] and their gradient in QLOOM_EVENT_LOSS */
  qloom_status (*logits)(qloom_run *, const float **logits, float **gradient,
                         const int32_t **labels, uint64_t *batch, uint64_t *classes) QLOOM_NOEXCEPT;
  /* learning rate of the present step and batches per epoch */
  qloom_status (*schedule)(qloom_run *, double *learning_rate,
                           uint64_t *steps_per_epoch) QLOOM_NOEXCEPT;
  /* multiplies the learning rate of the coming step */
  qloom_status (*scale_learning_rate)(qloom_run *, double factor) QLOOM_NOEXCEPT;
  /* a figure for the report: appended to the series `key` */
  qloom_status (*report)(qloom_run *, const char *key, double value) QLOOM_NOEXCEPT;
  /* uniform random numbers of the run's seed, in [0, 1), 24 bits */
  qloom_status (*random_uniform)(qloom_run *, const char *stream, float *out,
                                 uint64_t n) QLOOM_NOEXCEPT;
} qloom_run_api;

#ifdef __cplusplus
}
#endif
#endif
