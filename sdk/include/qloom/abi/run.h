/* SPDX-License-Identifier: Apache-2.0
 * Copyright the qloom authors
 *
 * Part of abi.h: procedures, and the run that they see and change.
 */
#ifndef QLOOM_ABI_RUN_H
#define QLOOM_ABI_RUN_H
#include <qloom/abi/kinds.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- kind "qloom.procedure/1": coarse; drives the run through "qloom.run/1" ---- */
/* events; caps of a procedure is the sum of 1 << event it wants */
enum {
  QLOOM_EVENT_PREPARE = 0, /* model built and initialised, before the first stage */
  QLOOM_EVENT_BEFORE_STEP = 1,
  QLOOM_EVENT_LOSS = 2,           /* logits and their gradient may be changed */
  QLOOM_EVENT_AFTER_BACKWARD = 3, /* gradients are complete, optimizer has not run */
  QLOOM_EVENT_AFTER_STEP = 4,     /* weights are updated */
  QLOOM_EVENT_AFTER_EPOCH = 5,
  QLOOM_EVENT_STAGE = 6,    /* before each stage, and before each further round of it */
  QLOOM_EVENT_FINALIZE = 7, /* no train stage is left: after the last one and its last round, or
                             * before the first stage of a pipeline without one */
  QLOOM_EVENT_START = 8,    /* this process begins the run, or goes on with it after a resume; all
                             * other events but PREPARE follow */
  /* 9 is kept for the exchange between workers */
  QLOOM_EVENT_AFTER_STAGE = 10, /* a round of a stage is complete; again() may ask for one more */
  QLOOM_EVENT_END = 11          /* after the last stage, before the report */
};
typedef struct qloom_run qloom_run; /* opaque */
typedef struct qloom_event {
  uint32_t struct_size, event;
  uint64_t step, epoch; /* steps and epochs done before this event */
  uint64_t stage, stages;
  const char *stage_type; /* "train", "calibrate", "evaluate" */
  uint64_t round;         /* rounds of the present stage that are complete before this one */
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
  const char *layer; /* name of the layer it belongs to */
  float *value;      /* stored (master) values; may be written */
  float *gradient;   /* of the present step; may be written; NULL outside training */
  uint64_t n, fan_in;
  int64_t shape[4]; /* output channels first; unused entries are 1 */
} qloom_run_tensor;
typedef struct qloom_run_norm {
  uint32_t struct_size, reserved;
  const char *layer;
  const char *producer; /* contraction whose only consumer is this norm, or NULL */
  uint64_t channels;
} qloom_run_norm;

typedef struct qloom_run_site { /* a quantizer that a rule has placed; borrowed until on() returns
                                 */
  uint32_t struct_size, reserved;
  const char *site, *layer, *quantizer; /* "weight", "conv1", "affine" */
  uint64_t elements;                    /* of the tensor; of one sample where there is a batch */
  uint64_t groups;
  const qloom_range *ranges;      /* one per group; NULL: none yet, or it has no estimator */
  const qloom_encoding *encoding; /* NULL: none, or not known yet */
} qloom_run_site;

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
  /* AFTER_STAGE alone: the stage runs once more, schedule and all, with the next `round` */
  qloom_status (*again)(qloom_run *) QLOOM_NOEXCEPT;
  /* a table for the report under `key`, in place of one that it had: JSON text
   * {"title": text, "columns": [text, ...], "rows": [[text, number or null, ...], ...]}; E_INVALID
   * for any other */
  qloom_status (*report_table)(qloom_run *, const char *key, const char *json,
                               qloom_error *) QLOOM_NOEXCEPT;
  /* quantizers of the network as it is now, index 0, 1, ...; E_INVALID past the last */
  qloom_status (*site)(qloom_run *, uint64_t index, qloom_run_site *) QLOOM_NOEXCEPT;
  /* one more rule of the pipeline, JSON text, behind all others: checked like them, in force at
   * once, kept in checkpoints. E_INVALID for a rule that a pipeline could not have; E_ORDER inside
   * a training step (LOSS, AFTER_BACKWARD) */
  qloom_status (*add_rule)(qloom_run *, const char *json, qloom_error *) QLOOM_NOEXCEPT;
} qloom_run_api;

/* ---- "qloom.tensors/1": what happens to a stored tensor between passes ------------------ */
enum { /* qloom_tensor_control.fields: which of them set() takes over and get() has filled */
       QLOOM_CONTROL_HELD = 1,
       QLOOM_CONTROL_FACTORS = 2,
       QLOOM_CONTROL_IMPORTANCE = 4,
       QLOOM_CONTROL_STORAGE = 8
};
typedef struct qloom_tensor_control { /* arrays are copied by set(), the host's own in get() */
  uint32_t struct_size, fields;       /* QLOOM_CONTROL_* */
  /* n flags; 1: the element keeps its bits. Its gradient is 0 before the site "gradient", its
   * moments are 0, weight decay and the site "update" leave it alone. NULL: no element is held */
  const uint8_t *held;
  double rate_factor, decay_factor; /* multiply the optimizer's learning rate and weight decay */
  /* n values >= 0 for quantizers (qloom_prepare.importance); NULL: none */
  const float *importance;
  double storage_bits; /* size in the report, tables included; below 0: as its encoding says */
} qloom_tensor_control;
typedef struct qloom_tensors_api { /* all [update], from inside on() only; index as in tensor() */
  uint32_t struct_size, reserved;
  qloom_status (*set)(qloom_run *, uint64_t index, const qloom_tensor_control *,
                      qloom_error *) QLOOM_NOEXCEPT;
  qloom_status (*get)(qloom_run *, uint64_t index, qloom_tensor_control *out) QLOOM_NOEXCEPT;
  /* the optimizer's array `name`, "velocity" or "second_moment", n values, may be written;
   * E_UNSUPPORTED while it has none such */
  qloom_status (*moment)(qloom_run *, uint64_t index, const char *name,
                         float **values) QLOOM_NOEXCEPT;
  /* n values as the contraction last saw them; the stored ones where no rule acts */
  qloom_status (*quantized)(qloom_run *, uint64_t index, const float **values) QLOOM_NOEXCEPT;
  /* what evaluation uses in place of the value, see set_shadow(); *values NULL: none; may be
   * written */
  qloom_status (*shadow)(qloom_run *, uint64_t index, float **values) QLOOM_NOEXCEPT;
  /* y = the rule of site "weight" or "bias" applied to the n values x, as evaluation applies it,
   * also where the rule acts in evaluation alone; x gives the quantizer its first values where it
   * has none yet. x may be the stored values, y may be x. E_UNSUPPORTED without a rule; E_ORDER in
   * LOSS, where a pass is under way */
  qloom_status (*quantize)(qloom_run *, uint64_t index, const float *x, float *y,
                           qloom_error *) QLOOM_NOEXCEPT;
  /* codes of the stored values under that rule, and their encoding, whose arrays live until the
   * next call. E_UNSUPPORTED without a rule or where it has no codes; E_ORDER as above */
  qloom_status (*encode)(qloom_run *, uint64_t index, int32_t *codes, qloom_encoding *encoding,
                         qloom_error *) QLOOM_NOEXCEPT;
} qloom_tensors_api;

#ifdef __cplusplus
}
#endif
#endif
