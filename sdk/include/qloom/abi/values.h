/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * Part of abi.h: versions, constants, plain values and the records that all kinds share.
 */
#ifndef QLOOM_ABI_VALUES_H
#define QLOOM_ABI_VALUES_H
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
/* While major is 0 host and plugin must be built from the same abi.h and parts: qloom_add_plugin()
 * passes the first 16 hex digits of their SHA-256 here. */
#ifndef QLOOM_ABI_HASH
#define QLOOM_ABI_HASH 0u
#endif

#define QLOOM_EXPORT __attribute__((visibility("default")))
#ifdef __cplusplus
#define QLOOM_NOEXCEPT noexcept
#else
#define QLOOM_NOEXCEPT
#endif

/* Is `field` inside the struct the writer of *p knew? */
#define QLOOM_HAS(type, p, field) ((p)->struct_size >= offsetof(type, field) + sizeof((p)->field))

#ifdef __cplusplus
extern "C" {
#endif

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
  QLOOM_ISA_AVX2 = 2,   /* with FMA */
  QLOOM_ISA_AVX512 = 3, /* F, CD, DQ, BW, VL */
  QLOOM_ISA_NEON = 4    /* every loop on 64-bit ARM is compiled for it */
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
 * offset may be NULL: 0. Magnitudes of code_min, code_max and zero_point are at most 2^24 in a grid
 * that the kernels get; an encoding may have any int32. */
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
/* qloom_rounding.caps */
enum {
  /* y[i] depends on x[i] alone, not on the index of the element: kernels may round values together
   * whose random words do not follow each other */
  QLOOM_ROUNDING_DRAWS_NOTHING = 1,
  /* an integer may become a neighbouring one, so that a rounded value need not stay when it is
   * rounded again, nor a zero a zero; without it integers stay */
  QLOOM_ROUNDING_MOVES_INTEGERS = 2
};
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

#ifdef __cplusplus
}
#endif
#endif
