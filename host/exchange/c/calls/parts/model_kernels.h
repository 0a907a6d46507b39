/* What model.c calls: five functions, in a table into which others can be put.

   An integer program (docs/program.md of qloom) says what each has to compute, to the last bit. The
   functions of model_reference, in model_kernels.c, are its definition as plain loops. */
#ifndef MODEL_KERNELS_H
#define MODEL_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers in the order height, width, channel. Real number = (code - zero_point) * scale. */
struct model_tensor {
  void *values;
  int32_t height, width, channels;
  uint8_t bits; /* of one number: 8, 16, 32 or 64 */
  uint8_t is_signed;
  int64_t zero_point;
};

enum {                    /* model_step.op: what becomes of v, of which 64 bits are enough */
       MODEL_ADD,         /* v + c */
       MODEL_MULTIPLY,    /* v * c */
       MODEL_SHIFT_LEFT,  /* v * 2^c */
       MODEL_SHIFT_RIGHT, /* v / 2^c, rounded */
       MODEL_CLAMP,       /* constants low, high */
       MODEL_COUNT,       /* how many constants are at most v; they ascend */
       MODEL_WRAP,        /* the last c bits as a number in two's complement */
       MODEL_SATURATE,    /* the nearest number of c bits in two's complement */
       MODEL_TABLE        /* constant number v */
};
enum { /* model_step.rounding */
       MODEL_NEAREST_EVEN,
       MODEL_NEAREST_AWAY,
       MODEL_NEAREST_UP,
       MODEL_TOWARD_ZERO,
       MODEL_TOWARD_NEGATIVE,
       MODEL_TOWARD_POSITIVE
};
struct model_step {
  uint8_t op, rounding;
  uint8_t bits;           /* of the constants' signed type: 8, 16, 32 or 64 */
  uint8_t is_per_channel; /* 0: one list for all channels */
  int32_t length;         /* of a list */
  const void *constants;  /* one list, or one for each channel */
};
struct model_steps { /* one after the other; none: v stays */
  const struct model_step *steps;
  int32_t count;
};

struct model_window {
  int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int32_t pad_top, pad_left; /* what lies below and to the right follows from the output's size */
};

enum { /* model_products.overflow: of a sum that the register does not hold, after each addition */
       MODEL_NEVER,    /* there is none: products may be added in any order */
       MODEL_WRAPS,    /* its last bits are kept */
       MODEL_SATURATES /* the nearest number that the register holds is kept */
};
/* sum over kernel_h, kernel_w, channel, in that order, of (x - zero point) * weight, then steps */
struct model_products {
  struct model_window window; /* of a dense layer: 1 x 1, not read */
  int32_t groups;
  int64_t pad_code;    /* the code that stands where the window lies outside of x */
  const void *weights; /* (output channel, kernel_h, kernel_w, input channel of the group) */
  uint8_t weight_bits; /* of their signed type: 8, 16 or 32 */
  uint8_t register_bits, overflow;
  struct model_steps steps;
};
struct model_pool {
  struct model_window window;
  uint8_t is_sum; /* sum of x - zero point over a window inside of x; 0: the largest code */
  struct model_steps steps;
};
struct model_join {
  const struct model_steps *input_steps; /* one for each input; 0: channels side by side */
  struct model_steps steps;              /* behind the sum over the inputs */
};

struct model_kernels {
  /* `sums` is 0, or where the sums before the steps are wanted too, for a trace. */
  void (*conv)(const struct model_products *layer, const struct model_tensor *x,
               const struct model_tensor *sums, const struct model_tensor *y);
  /* x flat in its own order */
  void (*dense)(const struct model_products *layer, const struct model_tensor *x,
                const struct model_tensor *sums, const struct model_tensor *y);
  void (*pool)(const struct model_pool *layer, const struct model_tensor *x,
               const struct model_tensor *sums, const struct model_tensor *y);
  /* steps of each code, its zero point not taken off; y may lie over x, beginning where x begins */
  void (*map)(const struct model_steps *steps, const struct model_tensor *x,
              const struct model_tensor *y);
  /* steps(sum of input_steps[i](x[i] - zero point)); y may lie over one of the inputs likewise */
  void (*join)(const struct model_join *layer, const struct model_tensor *x, int32_t inputs,
               const struct model_tensor *y);
};

/* Plain loops. */
extern const struct model_kernels model_reference;
/* v of a channel through steps, for kernels that do not know them all. */
int64_t model_apply(const struct model_steps *steps, int32_t channel, int64_t v);
/* From now on the model calls these; the table has to stay. At first: model_reference. */
void model_use(const struct model_kernels *kernels);

#ifdef __cplusplus
}
#endif
#endif
