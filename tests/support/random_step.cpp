// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "tests/support/random_step.hpp"

#include <limits>

#include "host/step_program/builder.hpp"
#include "host/tensor/random.hpp"
#include "tests/support/random_chain.hpp"

namespace qloom::test {
namespace {

using step_program::Held;
using step_program::Kind;
using step_program::Op;
using step_program::Section;

steps::Step step_with(steps::Op op, std::vector<std::int64_t> constants, std::uint64_t per_channel,
                      steps::Rounding rounding = steps::Rounding::kTowardNegative) {
  steps::Step step;
  step.op = op;
  step.rounding = rounding;
  step.constants = std::move(constants);
  step.per_channel = per_channel;
  return step;
}

class StepMaker {
 public:
  explicit StepMaker(std::uint64_t seed) : numbers_(seed % 3), dice_(seed) {}

  step_program::Program make() {
    builder_.program().batch = dice_.in(2, 5);
    builder_.program().seed = word();
    forward();
    backward();
    return builder_.finished();
  }

 private:
  std::uint64_t word() {
    return static_cast<std::uint64_t>(dice_.in(std::numeric_limits<std::int64_t>::min(),
                                               std::numeric_limits<std::int64_t>::max()));
  }
  steps::Rounding rounding() { return static_cast<steps::Rounding>(dice_.in(0, 5)); }

  std::vector<std::int64_t> weights(const Shape& shape) {
    std::vector<std::int64_t> values(element_count(shape));
    for (auto& value : values) value = dice_.in(-63, 63);
    return values;
  }
  /// Any steps, then a clamp to codes up to this one.
  Held codes_of(const std::string& name, int tensor, std::int64_t most, int exponent) {
    const std::int64_t channels = builder_.tensor(tensor).shape.back();
    steps::Chain chain = random_chain(dice_, channels, {builder_.range(tensor)}, 3, 30);
    chain.push_back(step_with(steps::Op::kClamp, {-most, most}, 2));
    return builder_.add(Op{.kind = Kind::kMap,
                           .section = Section::kForward,
                           .inputs = {tensor},
                           .steps = std::move(chain)},
                        name, exponent);
  }

  void forward() {
    const std::int64_t channels = dice_.in(1, 3);
    const Shape image{dice_.in(5, 9), dice_.in(5, 9), channels};
    builder_.program().images = builder_.add_images(image);
    std::vector<std::int64_t> table;
    for (int i = 0; i < 256 * channels; ++i) table.push_back(dice_.in(-127, 127));
    x_ = builder_.add(Op{.kind = Kind::kMap,
                         .section = Section::kForward,
                         .inputs = {builder_.program().images},
                         .steps = {step_with(steps::Op::kTable, table, 256)}},
                      "x", -7);
    window_.in_h = image[0];
    window_.in_w = image[1];
    window_.in_c = channels;
    window_.groups = dice_.in(0, 1) == 0 ? 1 : channels;
    window_.kernel_h = dice_.in(1, 3);
    window_.kernel_w = dice_.in(1, 3);
    window_.dilation_h = dice_.in(1, 2);
    window_.stride_h = dice_.in(1, 2);
    window_.stride_w = dice_.in(1, 2);
    window_.pad_top = dice_.in(0, 2);
    window_.pad_right = dice_.in(0, 2);
    const std::int64_t filters = channels * dice_.in(1, 3);
    const Shape shape{filters, window_.kernel_h, window_.kernel_w, channels / window_.groups};
    conv_ = builder_.add_parameter("conv.weight", shape, {-100, 120}, -6, weights(shape));
    conv_codes_ = codes_of("conv.codes", conv_, 7, -3);
    sums_ = builder_.add(Op{.kind = Kind::kConv,
                            .section = Section::kForward,
                            .inputs = {x_.tensor, conv_codes_.tensor},
                            .window = window_},
                         "conv", {window_.out_h(), window_.out_w(), filters}, -10);
    if (dice_.in(0, 1) == 1) widen();
    pool();
  }

  /// The sums that are not negative, in up to 31 bits without a sign.
  void widen() {
    const std::int64_t most = (std::int64_t{1} << dice_.in(17, 31)) - 1;
    sums_ = builder_.add(Op{.kind = Kind::kMap,
                            .section = Section::kForward,
                            .inputs = {sums_.tensor},
                            .steps = {step_with(steps::Op::kShiftLeft, {dice_.in(6, 14)}, 1),
                                      step_with(steps::Op::kClamp, {0, most}, 2)}},
                         "wide", -10);
  }

  void pool() {
    const Shape shape = builder_.tensor(sums_.tensor).shape;
    pool_window_.kernel_h = pool_window_.kernel_w = 2;
    pool_window_.stride_h = dice_.in(1, 2);
    pool_window_.stride_w = dice_.in(1, 2);
    pool_window_.pad_bottom = 1;
    pool_window_.pad_right = 1;
    pool_window_.in_h = shape[0];
    pool_window_.in_w = shape[1];
    Op op{.kind = Kind::kMaxPool, .section = Section::kForward, .inputs = {sums_.tensor}};
    op.window = pool_window_;
    const Shape pooled{pool_window_.out_h(), pool_window_.out_w(), shape[2]};
    const Held most = builder_.add(op, "pool", pooled, -10);
    op.kind = Kind::kMaxPlace;
    places_ = builder_.add(op, "places", pooled, 0);
    flat_ = codes_of("codes", most.tensor, 127, -7);
    mask_ = builder_.add(Op{.kind = Kind::kMap,
                            .section = Section::kForward,
                            .inputs = {most.tensor},
                            .steps = {step_with(steps::Op::kCount, {-90, 400}, 2),
                                      step_with(steps::Op::kTable, {0, 1, 0}, 3)}},
                         "mask", 0);
    classes_ = dice_.in(2, 6);
    const Shape dense{classes_, builder_.tensor(flat_.tensor).size()};
    dense_ = builder_.add_parameter("dense.weight", dense, {-127, 127}, -7, weights(dense));
    dense_codes_ = codes_of("dense.codes", dense_, 7, -3);
    logits_ = builder_.add(Op{.kind = Kind::kDense,
                              .section = Section::kForward,
                              .inputs = {flat_.tensor, dense_codes_.tensor}},
                           "logits", {1, 1, classes_}, -10);
    builder_.program().logits = logits_.tensor;
  }

  Held error_of(Held gradient, const std::string& name) {
    const int e = builder_.add_exponent(gradient.tensor, Section::kBackward);
    const auto bits = dice_.small(3, 9);
    const std::int64_t most = (std::int64_t{1} << bits) - 1;
    return builder_.add(Op{.kind = Kind::kNormalise,
                           .section = Section::kBackward,
                           .inputs = {gradient.tensor, e},
                           .bits = bits,
                           .rounding = rounding(),
                           .low = -most,
                           .high = most},
                        name, -bits);
  }

  void update(const std::string& name, int weight, Held sums, std::int64_t low, std::int64_t high) {
    Op significant{.kind = Kind::kSignificant,
                   .section = Section::kUpdate,
                   .inputs = {sums.tensor},
                   .bits = dice_.small(3, 12)};
    const Held dw = builder_.add(significant, name + ".dw.short", 0);
    const int e = builder_.add_exponent(dw.tensor, Section::kUpdate);
    Op op{.kind = Kind::kStochastic, .section = Section::kUpdate, .inputs = {dw.tensor, e}};
    op.stream = word();
    op.random_bits = dice_.small(1, 32);
    if (numbers_ > 0) {
      op.lfsr = step_program::Lfsr{static_cast<std::uint16_t>(dice_.in(1, 65535)),
                                   static_cast<step_program::Lfsr::Start>(numbers_ - 1)};
      op.random_bits = (op.random_bits + 1) / 2;
    }
    numbers_ = (numbers_ + 1) % 3;
    op.rates = {{0, dice_.small(-2, 4)}, {2, dice_.small(-2, 4)}};
    const Held u = builder_.add(std::move(op), name + ".update", -7);
    const Held next = builder_.add(Op{.kind = Kind::kUpdate,
                                      .section = Section::kUpdate,
                                      .inputs = {weight, u.tensor},
                                      .low = low,
                                      .high = high},
                                   name + ".next", -7);
    for (auto& parameter : builder_.program().parameters) {
      if (parameter.tensor == weight) parameter.next = next.tensor;
    }
  }

  Held product(Kind kind, int first, int second, const Shape& shape, const std::string& name) {
    Op op{.kind = kind, .section = Section::kBackward, .inputs = {first, second}};
    op.window = step_program::is_dense(kind) ? step_program::ContractionShape{} : window_;
    return builder_.add(std::move(op), name, shape, 0);
  }

  void backward() {
    const Held loss = builder_.add(Op{.kind = Kind::kSubtractLabel,
                                      .section = Section::kBackward,
                                      .inputs = {logits_.tensor},
                                      .one = 1024},
                                   "loss", -10);
    const Held error = error_of(loss, "dense.error");
    const Held dense_dw = product(Kind::kDenseDw, flat_.tensor, error.tensor,
                                  builder_.tensor(dense_).shape, "dense.dw");
    const Held dx = product(Kind::kDenseDx, error.tensor, dense_codes_.tensor,
                            builder_.tensor(flat_.tensor).shape, "dense.dx");
    const Held masked = builder_.add(Op{.kind = Kind::kMultiply,
                                        .section = Section::kBackward,
                                        .inputs = {dx.tensor, mask_.tensor}},
                                     "masked", 0);
    Op route{.kind = Kind::kRoute,
             .section = Section::kBackward,
             .inputs = {masked.tensor, places_.tensor}};
    route.window = pool_window_;
    const Held routed =
        builder_.add(std::move(route), "routed", builder_.tensor(sums_.tensor).shape, 0);
    const Held conv_error = error_of(routed, "conv.error");
    const Held conv_dw = product(Kind::kConvDw, x_.tensor, conv_error.tensor,
                                 builder_.tensor(conv_).shape, "conv.dw");
    static_cast<void>(product(Kind::kConvDx, conv_error.tensor, conv_codes_.tensor,
                              builder_.tensor(x_.tensor).shape, "conv.dx"));
    update("dense", dense_, dense_dw, -127, 127);
    update("conv", conv_, conv_dw, -100, 120);
  }

  std::uint64_t numbers_;  ///< of the next update: the counter's, or a register's of two kinds
  Dice dice_;
  step_program::Builder builder_;
  step_program::ContractionShape window_, pool_window_;
  int conv_ = 0, dense_ = 0;
  std::int64_t classes_ = 2;
  Held x_, conv_codes_, sums_, places_, flat_, mask_, dense_codes_, logits_;
};

}  // namespace

step_program::Program random_step(std::uint64_t seed) {
  step_program::Program program = StepMaker(seed).make();
  program.name = "random";
  program.configuration = "0123456789abcdef";
  return program;
}

StepBatch step_batch(const step_program::Program& program, std::uint64_t seed, std::uint64_t step) {
  const std::int64_t samples = step % 3 == 2 ? 1 : program.batch;
  StepBatch batch;
  const std::int64_t size = samples * program.tensor(program.images).size();
  for (std::int64_t i = 0; i < size; ++i) {
    batch.images.push_back(random_word(seed, 3, step, static_cast<std::uint64_t>(i)) & 255U);
  }
  const auto classes = static_cast<std::uint32_t>(program.tensor(program.logits).size());
  for (std::int64_t i = 0; i < samples; ++i) {
    const std::uint32_t word = random_word(seed, 4, step, static_cast<std::uint64_t>(i));
    batch.labels.push_back(static_cast<std::int32_t>(word % classes));
  }
  return batch;
}

}  // namespace qloom::test
