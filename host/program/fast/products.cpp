// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Convolutions and dense layers: their sums in one of three ways, then the maps that read them.
#include <cstring>

#include "host/contraction/byte_products.hpp"
#include "host/contraction/contraction.hpp"
#include "host/program/fast/batch.hpp"

namespace qloom::program::fast {
namespace {

using contraction::ByteProducts;

/// Where sums come from. They are those of the program, but for a constant of each channel.
class Sums {
 public:
  virtual ~Sums() = default;
  [[nodiscard]] virtual Storage storage() const { return Storage::kS64; }
  /// What has to be added to each channel's sums; empty: nothing.
  [[nodiscard]] virtual std::vector<std::int64_t> correction() const { return {}; }
  virtual void prepare(std::int64_t /*samples*/, std::size_t /*slots*/) {}
  virtual const std::byte* run(const Batch& batch) = 0;
};

/// The plain loops: for codes and sums beyond the other ways, and for a register that overflows,
/// which has to be looked at after each product.
class PlainSums : public Sums {
 public:
  explicit PlainSums(const Op& op) : op_(op) {}

  const std::byte* run(const Batch& batch) override {
    const Program& program = batch.facts.program;
    const int input = op_.inputs[0];
    const std::int64_t in_size = program.tensor(input).size(),
                       out_size = program.tensor(op_.output).size();
    std::vector<std::int64_t>& codes = batch.work.plain_in;
    codes.resize(static_cast<std::size_t>(in_size));
    auto* const sums = as<std::int64_t>(batch.work.sums.bytes(batch.samples * out_size * 8));
    std::vector<std::int64_t*> tensors(program.tensors.size());
    tensors[static_cast<std::size_t>(input)] = codes.data();
    const Storage storage = batch.facts.storage(input);
    for (std::int64_t i = 0; i < batch.samples; ++i) {
      load(batch.tensor(input) + i * in_size * bytes_of(storage), storage, in_size, codes.data());
      tensors[static_cast<std::size_t>(op_.output)] = sums + i * out_size;
      execute(program, op_, tensors);
    }
    return as<std::byte>(batch.work.sums.bytes(0));
  }

 private:
  const Op& op_;
};

contraction::ContractionShape with_samples(const Op& op, std::int64_t samples) {
  contraction::ContractionShape shape = op.window;
  shape.batch = samples;
  return shape;
}

/// Codes of up to 22 bits as the contractions of the simulation take them: exact sums in as many
/// passes of float32 as it takes, or of bytes.
class CodedSums : public Sums {
 public:
  CodedSums(const Facts& facts, const Op& op) : op_(op) {
    const auto [least, most] = std::minmax_element(op.weights.begin(), op.weights.end());
    weights_.resize(op.weights.size(), {*least, static_cast<std::uint32_t>(*most - *least)});
    for (std::size_t i = 0; i < op.weights.size(); ++i) {
      put(weights_.at(i), static_cast<std::uint32_t>(op.weights[i] - *least), weights_.form());
    }
    weight_codes_ = {std::min(*least, 0), std::max(*most, 0)};
    const Tensor& in = facts.program.tensor(op.inputs[0]);
    held_ = in.type.values();
    codes_ = {
        std::min({held_.lo, op.window.pads() ? op.pad : held_.lo, in.zero_point}) - in.zero_point,
        std::max({held_.hi, op.window.pads() ? op.pad : held_.hi, in.zero_point}) - in.zero_point};
    zero_point_ = in.zero_point;
  }

  /// Are its codes such that this way is there?
  static bool takes(const Facts& facts, const Op& op) {
    const Tensor& in = facts.program.tensor(op.inputs[0]);
    if (in.type.bits > 22 || (op.window.pads() && std::abs(op.pad) > kMost)) return false;
    if (std::abs(in.zero_point) > kMost) return false;
    const auto [lo, hi] = in.type.values();
    const std::int64_t zero = in.zero_point, pad = op.window.pads() ? op.pad : zero;
    const bool fits = std::min(lo, pad) - zero >= -kMost && std::max(hi, pad) - zero <= kMost;
    return fits && std::all_of(op.weights.begin(), op.weights.end(),
                               [](std::int64_t w) { return w >= -kMost && w <= kMost; });
  }

  void prepare(std::int64_t /*samples*/, std::size_t slots) override {
    while (contractions_.size() < slots) contractions_.emplace_back();
  }

  const std::byte* run(const Batch& batch) override {
    const contraction::ContractionShape shape = with_samples(op_, batch.samples);
    const std::int64_t n = shape.y_size();
    auto* const sums = as<std::int64_t>(batch.work.sums.bytes(n * 8));
    auto* const floats = as<float>(batch.work.results.bytes(n * 4));
    contractions_[batch.slot].forward(shape, input(batch), weights(), nullptr, floats, {}, sums);
    return as<std::byte>(batch.work.sums.bytes(0));
  }

 private:
  static constexpr std::int64_t kMost = std::int64_t{1} << 22;
  static constexpr float kOne = 1;

  static void put(std::uint8_t* to, std::uint32_t code, CodeForm form) {
    std::memcpy(to, &code, form.bytes());  // little end first, as all of this program's machines
  }

  [[nodiscard]] contraction::Operand weights() const {
    return {.scale = &kOne,
            .scale_count = 1,
            .code_min = static_cast<double>(weight_codes_.lo),
            .code_max = static_cast<double>(weight_codes_.hi),
            .codes = weights_.view()};
  }
  /// Codes less the zero point, above the least one.
  [[nodiscard]] contraction::Operand input(const Batch& batch) const {
    const CodeForm form{static_cast<std::int32_t>(held_.lo - zero_point_),
                        static_cast<std::uint32_t>(held_.hi - held_.lo)};
    return {.scale = &kOne,
            .scale_count = 1,
            .code_min = static_cast<double>(codes_.lo),
            .code_max = static_cast<double>(codes_.hi),
            .codes = {above_least(batch, form), form},
            .pad = op_.window.pads() ? static_cast<float>(op_.pad - zero_point_) : 0.0F};
  }
  [[nodiscard]] const std::uint8_t* above_least(const Batch& batch, CodeForm form) const {
    const int input = op_.inputs[0];
    const Storage storage = batch.facts.storage(input);
    const std::byte* in = batch.tensor(input);
    if (storage == Storage::kU8) return as<std::uint8_t>(in);
    const std::int64_t n = batch.samples * batch.facts.program.tensor(input).size();
    auto* const to = as<std::uint8_t>(batch.work.input.bytes(n * 4));
    const auto bytes = static_cast<std::int64_t>(form.bytes());
    with_type(storage, [&](auto one) {
      const auto* codes = as<decltype(one)>(in);
      for (std::int64_t i = 0; i < n; ++i) {
        put(to + i * bytes, static_cast<std::uint32_t>(std::int64_t{codes[i]} - held_.lo), form);
      }
    });
    return to;
  }

  const Op& op_;
  CodedTensor weights_;
  Interval weight_codes_, codes_, held_;
  std::int64_t zero_point_ = 0;
  std::vector<contraction::Contraction> contractions_;  ///< one a slot
};

/// Bytes: x' = x + shift is unsigned, and the sum of x' * w is that of (x - zero point) * w and a
/// constant of the channel. Where padding is no 0 of x', it is written out.
class ByteSums : public Sums {
 public:
  ByteSums(const Facts& facts, const Op& op)
      : op_(op), shape_(op.window), weights_(op.weights.begin(), op.weights.end()) {
    const Tensor& in = facts.program.tensor(op.inputs[0]);
    shift_ = facts.storage(op.inputs[0]) == Storage::kS8 ? 128 : 0;
    pads_itself_ = op.window.pads() && op.pad + shift_ != 0;
    if (pads_itself_) {
      shape_.in_h += shape_.pad_top + shape_.pad_bottom;
      shape_.in_w += shape_.pad_left + shape_.pad_right;
      shape_.pad_top = shape_.pad_bottom = shape_.pad_left = shape_.pad_right = 0;
    }
    Interval codes = whole(facts.range(op.inputs[0]));
    if (op.window.pads()) codes = steps::join(codes, {op.pad, op.pad});
    for (const Interval sum :
         sums_of(op, {std::min<std::int64_t>(0, codes.lo + shift_), codes.hi + shift_})) {
      largest_ = std::max({largest_, -static_cast<double>(sum.lo), static_cast<double>(sum.hi)});
    }
    for (const std::int64_t sum : weight_sums()) {
      correction_.push_back(-(in.zero_point + shift_) * sum);
    }
  }

  /// Are its codes and weights bytes, and is there a convolution for them?
  [[nodiscard]] static std::unique_ptr<Sums> make(const Facts& facts, const Op& op) {
    const Storage storage = facts.storage(op.inputs[0]);
    if (bytes_of(storage) != 1) return nullptr;
    const Interval bytes = storage == Storage::kU8 ? Interval{0, 255} : Interval{-128, 127};
    if (op.window.pads() && (op.pad < bytes.lo || op.pad > bytes.hi)) return nullptr;
    const bool fits = std::all_of(op.weights.begin(), op.weights.end(),
                                  [](std::int32_t w) { return w >= -128 && w <= 127; });
    if (!fits) return nullptr;
    auto made = std::make_unique<ByteSums>(facts, op);
    if (made->products(1) == nullptr) return nullptr;
    return made;
  }

  [[nodiscard]] Storage storage() const override { return Storage::kS32; }
  [[nodiscard]] std::vector<std::int64_t> correction() const override { return correction_; }

  void prepare(std::int64_t samples, std::size_t slots) override {
    if (ByteProducts* const made = products(samples)) made->reserve(slots);
  }

  const std::byte* run(const Batch& batch) override {
    const std::byte* x = input(batch);
    auto* sums = as<std::int32_t>(
        batch.work.sums.bytes(batch.samples * batch.facts.program.tensor(op_.output).size() * 4));
    products_[batch.samples == 1 ? 0 : 1].made->run(batch.slot, as<std::uint8_t>(x), sums);
    return as<std::byte>(batch.work.sums.bytes(0));
  }

 private:
  struct Made {
    std::int64_t samples = 0;
    std::unique_ptr<ByteProducts> made;
  };

  /// Of 1 sample, and of one other number.
  ByteProducts* products(std::int64_t samples) {
    Made& place = products_[samples == 1 ? 0 : 1];
    if (place.samples != samples) {
      contraction::ContractionShape shape = shape_;
      shape.batch = samples;
      place = {samples, ByteProducts::make(shape, weights_, largest_)};
    }
    return place.made.get();
  }

  [[nodiscard]] std::vector<std::int64_t> weight_sums() const {
    std::vector<std::int64_t> sums(static_cast<std::size_t>(shape_.out_c));
    const auto fan_in = static_cast<std::size_t>(shape_.fan_in());
    for (std::size_t i = 0; i < weights_.size(); ++i) sums[i / fan_in] += weights_[i];
    return sums;
  }

  /// x', padded.
  const std::byte* input(const Batch& batch) const {
    const std::byte* const x = batch.tensor(op_.inputs[0]);
    if (shift_ == 0 && !pads_itself_) return x;
    const contraction::ContractionShape& w = op_.window;
    const std::int64_t rows = shape_.in_h, row = shape_.in_w * shape_.in_c, read = w.in_w * w.in_c;
    const std::int64_t before = pads_itself_ ? w.pad_left * w.in_c : 0,
                       above = pads_itself_ ? w.pad_top : 0;
    std::byte* to = batch.work.input.bytes(batch.samples * rows * row);
    const auto pad = static_cast<std::byte>(op_.pad + shift_);
    if (pads_itself_) std::fill_n(to, batch.samples * rows * row, pad);
    for (std::int64_t i = 0; i < batch.samples * w.in_h; ++i) {
      const std::int64_t sample = i / w.in_h, h = i % w.in_h;
      copy(x + i * read, read, to + (sample * rows + above + h) * row + before);
    }
    return to;
  }
  void copy(const std::byte* from, std::int64_t n, std::byte* to) const {
    const auto flip = static_cast<std::byte>(shift_);  // adds 128 to a byte
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i] ^ flip;
  }

  const Op& op_;
  contraction::ContractionShape shape_;  ///< of what is multiplied
  std::vector<std::int8_t> weights_;
  std::int64_t shift_ = 0;
  bool pads_itself_ = false;
  double largest_ = 0;
  std::vector<std::int64_t> correction_;
  std::array<Made, 2> products_;
};

std::unique_ptr<Sums> sums_for(const Facts& facts, const Op& op) {
  const bool overflows = op.sum.overflow != Overflow::kNever && op.sum.needed > op.sum.bits;
  if (overflows) return std::make_unique<PlainSums>(op);
  if (std::unique_ptr<Sums> bytes = ByteSums::make(facts, op)) return bytes;
  if (CodedSums::takes(facts, op)) return std::make_unique<CodedSums>(facts, op);
  return std::make_unique<PlainSums>(op);
}

class Products : public Operation {
 public:
  Products(const Facts& facts, const Op& op, const std::vector<const Op*>& maps,
           bool are_sums_wanted)
      : pixels_(op.window.out_h() * op.window.out_w()), sums_(sums_for(facts, op)) {
    add(facts, op, {}, op.output, !are_sums_wanted);
    for (const Op* map : maps) add(facts, op, map->steps, map->output, false);
  }

  void prepare(std::int64_t samples, std::size_t slots) override { sums_->prepare(samples, slots); }
  void run(const Batch& batch) override {
    const std::byte* const sums = sums_->run(batch);
    for (const Reader& reader : readers_) {
      if (reader.is_for_trace && !batch.is_traced) continue;
      reader.map.run(sums, batch.samples * pixels_, batch.tensor(reader.output));
    }
  }

 private:
  struct Reader {
    Map map;
    int output;
    bool is_for_trace;
  };

  void add(const Facts& facts, const Op& op, const Chain& steps, int output, bool is_for_trace) {
    MapTask task{steps, op.window.out_c, facts.range(op.output), sums_->storage()};
    const std::vector<std::int64_t> correction = sums_->correction();
    if (!correction.empty()) {
      task.chain.insert(task.chain.begin(), {.op = steps::Op::kAdd, .constants = correction});
      task.values.resize(correction.size(), task.values[0]);
      for (std::size_t c = 0; c < correction.size(); ++c) {
        task.values[c].lo -= correction[c];
        task.values[c].hi -= correction[c];
      }
    }
    readers_.push_back({Map(std::move(task), facts.storage(output)), output, is_for_trace});
  }

  std::int64_t pixels_;
  std::unique_ptr<Sums> sums_;
  std::vector<Reader> readers_;
};

}  // namespace

std::unique_ptr<Operation> make_products(const Facts& facts, const Op& op,
                                         const std::vector<const Op*>& maps, bool are_sums_wanted) {
  return std::make_unique<Products>(facts, op, maps, are_sums_wanted);
}

}  // namespace qloom::program::fast
