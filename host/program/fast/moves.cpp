// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Everything that multiplies no weights: maps that read no sums, joins, pools, and what moves
// values.
#include <limits>

#include "host/kernels/vectorized.hpp"
#include "host/program/fast/batch.hpp"

namespace qloom::program::fast {
namespace {

std::int64_t pixels_of(const Tensor& tensor) { return tensor.height * tensor.width; }

class MapAlone : public Operation {
 public:
  MapAlone(const Facts& facts, const Op& op)
      : input_(op.inputs[0]),
        output_(op.output),
        pixels_(pixels_of(facts.program.tensor(op.output))),
        map_({op.steps, facts.program.tensor(op.output).channels, facts.range(input_),
              facts.storage(input_)},
             facts.storage(output_)) {}

  void run(const Batch& batch) override {
    map_.run(batch.tensor(input_), batch.samples * pixels_, batch.tensor(output_));
  }

 private:
  int input_, output_;
  std::int64_t pixels_;
  Map map_;
};

/// A join of any number of inputs: each through its steps, their sum, then the steps behind.
class Join : public Operation {
 public:
  Join(const Facts& facts, const Op& op) : op_(op) {
    const Tensor& out = facts.program.tensor(op.output);
    pixels_ = pixels_of(out);
    channels_ = out.channels;
    Range sum(static_cast<std::size_t>(channels_), Interval{0, 0});
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      MapTask task = task_of(facts, op, i);
      const Range values = behind(task.chain, channels_, task.values);
      for (std::size_t c = 0; c < sum.size(); ++c) {
        sum[c] = {sum[c].lo + values[c].lo, sum[c].hi + values[c].hi};
      }
      inputs_.emplace_back(std::move(task), Storage::kS64);
    }
    after_ = std::make_unique<Map>(MapTask{op.steps, channels_, sum, Storage::kS64},
                                   facts.storage(op.output));
  }

  /// The steps of input number i, zero point included.
  static MapTask task_of(const Facts& facts, const Op& op, std::size_t i) {
    const Tensor& in = facts.program.tensor(op.inputs[i]);
    Chain chain = op.input_steps[i];
    if (in.zero_point != 0) {
      chain.insert(chain.begin(), {.op = steps::Op::kAdd, .constants = {-in.zero_point}});
    }
    return {chain, in.channels, facts.range(op.inputs[i]), facts.storage(op.inputs[i])};
  }

  void run(const Batch& batch) override {
    const std::int64_t n = batch.samples * pixels_ * channels_;
    std::byte* const sum = batch.work.sums.bytes(n * 8);
    std::byte* const one = batch.work.results.bytes(n * 8);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      inputs_[i].run(batch.tensor(op_.inputs[i]), batch.samples * pixels_, i == 0 ? sum : one);
      if (i == 0) continue;
      kernels::vectorized([to = as<std::int64_t>(sum), from = as<std::int64_t>(one), n] {
        QLOOM_INDEPENDENT_STEPS
        for (std::int64_t e = 0; e < n; ++e) to[e] += from[e];
      });
    }
    after_->run(sum, batch.samples * pixels_, batch.tensor(op_.output));
  }

 private:
  const Op& op_;
  std::int64_t pixels_ = 0, channels_ = 0;
  std::vector<Map> inputs_;
  std::unique_ptr<Map> after_;
};

/// A join of two inputs in bytes without constants of channels: a table of all pairs.
class PairTable : public Operation {
 public:
  [[nodiscard]] static bool takes(const Facts& facts, const Op& op) {
    const auto is_uniform = [](const Chain& chain) {
      return std::all_of(chain.begin(), chain.end(),
                         [](const steps::Step& step) { return step.groups() == 1; });
    };
    return op.inputs.size() == 2 && bytes_of(facts.storage(op.inputs[0])) == 1 &&
           bytes_of(facts.storage(op.inputs[1])) == 1 && bytes_of(facts.storage(op.output)) == 1 &&
           is_uniform(op.steps) && is_uniform(op.input_steps[0]) && is_uniform(op.input_steps[1]);
  }

  PairTable(const Facts& facts, const Op& op)
      : op_(op), size_(facts.program.tensor(op.output).size()), results_(1 << 16) {
    const std::vector<Term> terms[] = {terms_of(facts, op, 0), terms_of(facts, op, 1)};
    for (const Term a : terms[0]) {
      for (const Term b : terms[1]) {
        const std::int64_t v = steps::apply(op.steps, 0, a.value + b.value);
        results_[a.byte << 8 | b.byte] = static_cast<std::byte>(v);
      }
    }
  }

  void run(const Batch& batch) override {
    const auto* a = as<std::uint8_t>(batch.tensor(op_.inputs[0]));
    const auto* b = as<std::uint8_t>(batch.tensor(op_.inputs[1]));
    std::byte* const out = batch.tensor(op_.output);
    const std::byte* const results = results_.data();
    const std::int64_t n = batch.samples * size_;
    for (std::int64_t i = 0; i < n; ++i) out[i] = results[std::size_t{a[i]} << 8 | b[i]];
  }

 private:
  /// A code as a byte, and what its input's steps make of it.
  struct Term {
    std::size_t byte;
    std::int64_t value;
  };
  static std::vector<Term> terms_of(const Facts& facts, const Op& op, std::size_t i) {
    const MapTask task = Join::task_of(facts, op, i);
    std::vector<Term> terms;
    const auto [lo, hi] = whole(task.values);
    for (std::int64_t v = lo; v <= hi; ++v) {
      const bool comes = std::any_of(task.values.begin(), task.values.end(),
                                     [v](Interval one) { return v >= one.lo && v <= one.hi; });
      if (comes) terms.push_back({static_cast<std::uint8_t>(v), steps::apply(task.chain, 0, v)});
    }
    return terms;
  }

  const Op& op_;
  std::int64_t size_;
  std::vector<std::byte> results_;
};

class Concat : public Operation {
 public:
  explicit Concat(const Op& op) : op_(op) {}

  void run(const Batch& batch) override {
    const Program& program = batch.facts.program;
    const std::int64_t bytes = bytes_of(batch.facts.storage(op_.output));
    const Tensor& out = program.tensor(op_.output);
    const std::int64_t pixels = batch.samples * pixels_of(out);
    std::byte* to = batch.tensor(op_.output);
    for (const int input : op_.inputs) {
      const std::int64_t n = program.tensor(input).channels * bytes;
      const std::byte* const from = batch.tensor(input);
      for (std::int64_t i = 0; i < pixels; ++i) {
        std::copy_n(from + i * n, n, to + i * out.channels * bytes);
      }
      to += n;
    }
  }

 private:
  const Op& op_;
};

class Reshape : public Operation {
 public:
  explicit Reshape(const Op& op) : op_(op) {}

  void run(const Batch& batch) override {
    const std::int64_t n = batch.samples * batch.facts.program.tensor(op_.output).size();
    std::copy_n(batch.tensor(op_.inputs[0]), n * bytes_of(batch.facts.storage(op_.output)),
                batch.tensor(op_.output));
  }

 private:
  const Op& op_;
};

class Argmax : public Operation {
 public:
  explicit Argmax(const Op& op) : op_(op) {}

  void run(const Batch& batch) override {
    const std::int64_t n = batch.facts.program.tensor(op_.inputs[0]).size();
    const Storage out = batch.facts.storage(op_.output);
    with_type(batch.facts.storage(op_.inputs[0]), [&](auto one) {
      const auto* values = as<decltype(one)>(batch.tensor(op_.inputs[0]));
      for (std::int64_t i = 0; i < batch.samples; ++i, values += n) {
        const std::int64_t index = std::max_element(values, values + n) - values;
        store(&index, 1, batch.tensor(op_.output) + i * bytes_of(out), out);
      }
    });
  }

 private:
  const Op& op_;
};

/// Sums and maxima over windows, a pixel's channels side by side.
class Pool : public Operation {
 public:
  explicit Pool(const Op& op) : op_(op) {}

  void run(const Batch& batch) override {
    const Storage in = batch.facts.storage(op_.inputs[0]), out = batch.facts.storage(op_.output);
    const ContractionShape& s = op_.window;
    std::vector<std::int64_t>& row = batch.work.plain_out;
    row.resize(static_cast<std::size_t>(s.in_c));
    const std::int64_t in_size = s.in_h * s.in_w * s.in_c * bytes_of(in);
    std::byte* to = batch.tensor(op_.output);
    with_type(in, [&](auto one) {
      using In = decltype(one);
      const std::byte* from = batch.tensor(op_.inputs[0]);
      for (std::int64_t i = 0; i < batch.samples; ++i, from += in_size) {
        for (std::int64_t pixel = 0; pixel < s.out_h() * s.out_w(); ++pixel) {
          start(batch, row);
          kernels::vectorized(
              [&] { add_window(as<In>(from), pixel / s.out_w(), pixel % s.out_w(), row.data()); });
          store(row.data(), s.in_c, to, out);
          to += s.in_c * bytes_of(out);
        }
      }
    });
  }

 private:
  void start(const Batch& batch, std::vector<std::int64_t>& row) const {
    const Tensor& in = batch.facts.program.tensor(op_.inputs[0]);
    const std::int64_t places = op_.window.kernel_h * op_.window.kernel_w;
    std::fill(row.begin(), row.end(),
              op_.kind == Kind::kMaxPool ? in.type.values().lo : -places * in.zero_point);
  }

  template <class In>
  void add_window(const In* x, std::int64_t h, std::int64_t w, std::int64_t* row) const {
    const ContractionShape& s = op_.window;
    const std::int64_t top = h * s.stride_h - s.pad_top, left = w * s.stride_w - s.pad_left;
    for (std::int64_t kh = 0; kh < s.kernel_h; ++kh) {
      for (std::int64_t kw = 0; kw < s.kernel_w; ++kw) {
        const std::int64_t at_h = top + kh * s.dilation_h, at_w = left + kw * s.dilation_w;
        if (at_h < 0 || at_h >= s.in_h || at_w < 0 || at_w >= s.in_w) continue;
        add_pixel(x + (at_h * s.in_w + at_w) * s.in_c, row);
      }
    }
  }
  template <class In>
  void add_pixel(const In* x, std::int64_t* row) const {
    const std::int64_t channels = op_.window.in_c;
    if (op_.kind == Kind::kMaxPool) {
      for (std::int64_t c = 0; c < channels; ++c) row[c] = std::max(row[c], std::int64_t{x[c]});
    } else {
      for (std::int64_t c = 0; c < channels; ++c) row[c] += x[c];
    }
  }

  const Op& op_;
};

}  // namespace

std::unique_ptr<Operation> make_operation(const Facts& facts, const Op& op) {
  switch (op.kind) {
    case Kind::kConv:
    case Kind::kDense:
      return make_products(facts, op, {}, true);
    case Kind::kMap:
      return std::make_unique<MapAlone>(facts, op);
    case Kind::kJoin:
      if (PairTable::takes(facts, op)) return std::make_unique<PairTable>(facts, op);
      return std::make_unique<Join>(facts, op);
    case Kind::kConcat:
      return std::make_unique<Concat>(op);
    case Kind::kSumPool:
    case Kind::kMaxPool:
      return std::make_unique<Pool>(op);
    case Kind::kArgmax:
      return std::make_unique<Argmax>(op);
    case Kind::kReshape:
      return std::make_unique<Reshape>(op);
  }
  return nullptr;
}

}  // namespace qloom::program::fast
