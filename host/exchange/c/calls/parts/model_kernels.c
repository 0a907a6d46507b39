/* The functions that model.c calls, as plain loops. No heap, no floating point, no library. */
#include "model_kernels.h"

static int64_t get(const void *values, int32_t bits, int32_t is_signed, int64_t i) {
  switch (bits) {
    case 8:
      return is_signed ? ((const int8_t *)values)[i] : ((const uint8_t *)values)[i];
    case 16:
      return is_signed ? ((const int16_t *)values)[i] : ((const uint16_t *)values)[i];
    case 32:
      return is_signed ? (int64_t)((const int32_t *)values)[i] : ((const uint32_t *)values)[i];
    default:
      return ((const int64_t *)values)[i];
  }
}

static int64_t code(const struct model_tensor *t, int64_t i) {
  return get(t->values, t->bits, t->is_signed, i);
}

static void put(const struct model_tensor *t, int64_t i, int64_t value) {
  switch (t->bits) {
    case 8:
      if (t->is_signed)
        ((int8_t *)t->values)[i] = (int8_t)value;
      else
        ((uint8_t *)t->values)[i] = (uint8_t)value;
      return;
    case 16:
      if (t->is_signed)
        ((int16_t *)t->values)[i] = (int16_t)value;
      else
        ((uint16_t *)t->values)[i] = (uint16_t)value;
      return;
    case 32:
      if (t->is_signed)
        ((int32_t *)t->values)[i] = (int32_t)value;
      else
        ((uint32_t *)t->values)[i] = (uint32_t)value;
      return;
    default:
      ((int64_t *)t->values)[i] = value;
  }
}

/* C leaves open how a negative number is shifted right: here only others are. */
static int64_t shift_right(int64_t v, int32_t n, int32_t rounding) {
  const int64_t low = v >= 0 ? v >> n : -1 - ((-1 - v) >> n);
  const uint64_t whole = (uint64_t)1 << n;
  const uint64_t twice = ((uint64_t)v & (whole - 1)) * 2;
  switch (rounding) {
    case MODEL_NEAREST_EVEN:
      return low + (twice > whole || (twice == whole && low % 2 != 0) ? 1 : 0);
    case MODEL_NEAREST_AWAY:
      return low + (twice > whole || (twice == whole && v > 0) ? 1 : 0);
    case MODEL_NEAREST_UP:
      return low + (twice >= whole ? 1 : 0);
    case MODEL_TOWARD_ZERO:
      return low + (v < 0 && twice != 0 ? 1 : 0);
    case MODEL_TOWARD_POSITIVE:
      return low + (twice != 0 ? 1 : 0);
    default:
      return low;
  }
}

static int64_t wrap(int64_t v, int32_t n) {
  const uint64_t mask = ~(uint64_t)0 >> (64 - n);
  const uint64_t last = (uint64_t)v & mask;
  return last <= mask >> 1 ? (int64_t)last : -1 - (int64_t)(mask - last);
}

static int64_t saturate(int64_t v, int32_t n) {
  const int64_t high = (int64_t)(((uint64_t)1 << (n - 1)) - 1);
  return v > high ? high : v < -1 - high ? -1 - high : v;
}

static int64_t apply(const struct model_step *step, int32_t channel, int64_t v) {
  const int64_t first = step->is_per_channel ? (int64_t)channel * step->length : 0;
  const int64_t c = get(step->constants, step->bits, 1, first);
  switch (step->op) {
    case MODEL_ADD:
      return v + c;
    case MODEL_MULTIPLY:
      return v * c;
    case MODEL_SHIFT_LEFT:
      return v * ((int64_t)1 << c);
    case MODEL_SHIFT_RIGHT:
      return shift_right(v, (int32_t)c, step->rounding);
    case MODEL_CLAMP: {
      const int64_t high = get(step->constants, step->bits, 1, first + 1);
      return v < c ? c : v > high ? high : v;
    }
    case MODEL_COUNT: {
      int32_t low = 0, high = step->length; /* so many are at most v: low or more, high or less */
      while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        if (get(step->constants, step->bits, 1, first + middle) <= v)
          low = middle + 1;
        else
          high = middle;
      }
      return low;
    }
    case MODEL_WRAP:
      return wrap(v, (int32_t)c);
    case MODEL_SATURATE:
      return saturate(v, (int32_t)c);
    default:
      return get(step->constants, step->bits, 1, first + v);
  }
}

int64_t model_apply(const struct model_steps *steps, int32_t channel, int64_t v) {
  for (int32_t i = 0; i < steps->count; ++i) v = apply(&steps->steps[i], channel, v);
  return v;
}

static int64_t added(const struct model_products *layer, int64_t sum, int64_t product) {
  sum += product;
  if (layer->overflow == MODEL_WRAPS) return wrap(sum, layer->register_bits);
  if (layer->overflow == MODEL_SATURATES) return saturate(sum, layer->register_bits);
  return sum;
}

/* Row or column of the input that a place of the kernel sees. */
static int32_t seen(int32_t at, int32_t stride, int32_t pad, int32_t place, int32_t dilation) {
  return at * stride - pad + place * dilation;
}

static void conv(const struct model_products *layer, const struct model_tensor *x,
                 const struct model_tensor *sums, const struct model_tensor *y) {
  const struct model_window *w = &layer->window;
  const int32_t channels = x->channels / layer->groups;
  const int32_t outputs = y->channels / layer->groups;
  int64_t at = 0;
  for (int32_t oy = 0; oy < y->height; ++oy) {
    for (int32_t ox = 0; ox < y->width; ++ox) {
      for (int32_t o = 0; o < y->channels; ++o, ++at) {
        int64_t k = (int64_t)o * w->kernel_h * w->kernel_w * channels, sum = 0;
        for (int32_t ky = 0; ky < w->kernel_h; ++ky) {
          const int32_t iy = seen(oy, w->stride_h, w->pad_top, ky, w->dilation_h);
          for (int32_t kx = 0; kx < w->kernel_w; ++kx) {
            const int32_t ix = seen(ox, w->stride_w, w->pad_left, kx, w->dilation_w);
            const int32_t inside = iy >= 0 && iy < x->height && ix >= 0 && ix < x->width;
            const int64_t pixel =
                ((int64_t)iy * x->width + ix) * x->channels + o / outputs * channels;
            for (int32_t c = 0; c < channels; ++c, ++k) {
              const int64_t value = inside ? code(x, pixel + c) : layer->pad_code;
              const int64_t weight = get(layer->weights, layer->weight_bits, 1, k);
              sum = added(layer, sum, (value - x->zero_point) * weight);
            }
          }
        }
        if (sums) put(sums, at, sum);
        put(y, at, model_apply(&layer->steps, o, sum));
      }
    }
  }
}

static void dense(const struct model_products *layer, const struct model_tensor *x,
                  const struct model_tensor *sums, const struct model_tensor *y) {
  const int64_t count = (int64_t)x->height * x->width * x->channels;
  for (int32_t o = 0; o < y->channels; ++o) {
    int64_t sum = 0;
    for (int64_t k = 0; k < count; ++k) {
      const int64_t weight = get(layer->weights, layer->weight_bits, 1, o * count + k);
      sum = added(layer, sum, (code(x, k) - x->zero_point) * weight);
    }
    if (sums) put(sums, o, sum);
    put(y, o, model_apply(&layer->steps, o, sum));
  }
}

static void pool(const struct model_pool *layer, const struct model_tensor *x,
                 const struct model_tensor *sums, const struct model_tensor *y) {
  const struct model_window *w = &layer->window;
  int64_t at = 0;
  for (int32_t oy = 0; oy < y->height; ++oy) {
    for (int32_t ox = 0; ox < y->width; ++ox) {
      for (int32_t c = 0; c < y->channels; ++c, ++at) {
        int64_t result = 0;
        int32_t is_first = 1;
        for (int32_t ky = 0; ky < w->kernel_h; ++ky) {
          const int32_t iy = seen(oy, w->stride_h, w->pad_top, ky, w->dilation_h);
          for (int32_t kx = 0; kx < w->kernel_w; ++kx) {
            const int32_t ix = seen(ox, w->stride_w, w->pad_left, kx, w->dilation_w);
            if (iy < 0 || iy >= x->height || ix < 0 || ix >= x->width) continue;
            const int64_t v = code(x, ((int64_t)iy * x->width + ix) * x->channels + c);
            if (layer->is_sum)
              result += v - x->zero_point;
            else if (is_first || v > result)
              result = v;
            is_first = 0;
          }
        }
        if (sums) put(sums, at, result);
        put(y, at, model_apply(&layer->steps, c, result));
      }
    }
  }
}

static void map(const struct model_steps *steps, const struct model_tensor *x,
                const struct model_tensor *y) {
  const int64_t count = (int64_t)y->height * y->width * y->channels;
  for (int64_t i = 0; i < count; ++i) {
    put(y, i, model_apply(steps, (int32_t)(i % y->channels), code(x, i)));
  }
}

static void concat(const struct model_tensor *x, int32_t inputs, const struct model_tensor *y) {
  int32_t first = 0;
  for (int32_t n = 0; n < inputs; ++n) {
    const int64_t count = (int64_t)x[n].height * x[n].width * x[n].channels;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t pixel = i / x[n].channels, channel = i % x[n].channels;
      put(y, pixel * y->channels + first + channel, code(&x[n], i));
    }
    first += x[n].channels;
  }
}

static void join(const struct model_join *layer, const struct model_tensor *x, int32_t inputs,
                 const struct model_tensor *y) {
  const int64_t count = (int64_t)y->height * y->width * y->channels;
  if (!layer->input_steps) {
    concat(x, inputs, y);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    const int32_t channel = (int32_t)(i % y->channels);
    int64_t sum = 0;
    for (int32_t n = 0; n < inputs; ++n) {
      sum += model_apply(&layer->input_steps[n], channel, code(&x[n], i) - x[n].zero_point);
    }
    put(y, i, model_apply(&layer->steps, channel, sum));
  }
}

const struct model_kernels model_reference = {conv, dense, pool, map, join};
