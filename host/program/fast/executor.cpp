// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/program/fast/executor.hpp"

#include "host/contraction/slices.hpp"
#include "host/program/fast/batch.hpp"

namespace qloom::program {
namespace fast {

Facts::Facts(const Program& of) : program(of), ranges(ranges_of(of)) {
  for (const Tensor& tensor : of.tensors) storages.push_back(storage_of(tensor.type));
}

namespace {

/// What an operation reads and writes for one sample, its sums included. Unit: bytes.
std::int64_t bytes_of(const Facts& facts, const Op& op) {
  const auto of = [&](int tensor) {
    return facts.program.tensor(tensor).size() * bytes_of(facts.storage(tensor));
  };
  std::int64_t bytes = of(op.output);
  for (const int input : op.inputs) bytes += of(input);
  return bytes;
}

/// Samples that go together: as many as the second-level cache holds of the largest operation.
std::int64_t samples_together(const Facts& facts) {
  constexpr std::int64_t kCacheBytes = 384 << 10, kMost = 16;
  std::int64_t largest = 1;
  for (const Op& op : facts.program.ops) largest = std::max(largest, bytes_of(facts, op));
  return std::clamp<std::int64_t>(kCacheBytes / largest, 1, kMost);
}

}  // namespace
}  // namespace fast

class Executor::Plan {
 public:
  explicit Plan(const Program& program) : facts_(program), size_(fast::samples_together(facts_)) {
    for (const Op& op : program.ops) {
      if (is_fused(op)) continue;
      const bool has_products = op.kind == Kind::kConv || op.kind == Kind::kDense;
      operations_.push_back(has_products
                                ? fast::make_products(facts_, op, maps_of(op), is_wanted(op))
                                : fast::make_operation(facts_, op));
    }
  }

  [[nodiscard]] const Program& program() const { return facts_.program; }

  /// `wanted`: tensors, in this order.
  std::vector<Values> run(std::span<const std::int64_t> input, std::int64_t samples,
                          const std::vector<int>& wanted, bool is_traced) {
    require_input(program(), input, samples);
    std::vector<Values> values;
    for (const int tensor : wanted)
      values.emplace_back(static_cast<std::size_t>(samples * size(tensor)));
    const int from = program().input;
    for_each_batch(samples, is_traced, [&](const fast::Batch& batch, std::int64_t first) {
      fast::store(input.data() + first * size(from), batch.samples * size(from), batch.tensor(from),
                  facts_.storage(from));
      run_operations(batch);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        fast::load(batch.tensor(wanted[i]), facts_.storage(wanted[i]),
                   batch.samples * size(wanted[i]), values[i].data() + first * size(wanted[i]));
      }
    });
    return values;
  }

  /// The outputs as they are stored.
  void run(const std::byte* input, std::int64_t samples, std::span<void* const> outputs) {
    const auto bytes = [this](int tensor) {
      return size(tensor) * fast::bytes_of(facts_.storage(tensor));
    };
    const int from = program().input;
    for_each_batch(samples, false, [&](const fast::Batch& batch, std::int64_t first) {
      std::copy_n(input + first * bytes(from), batch.samples * bytes(from), batch.tensor(from));
      run_operations(batch);
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const int output = program().outputs[i];
        std::copy_n(batch.tensor(output), batch.samples * bytes(output),
                    static_cast<std::byte*>(outputs[i]) + first * bytes(output));
      }
    });
  }

 private:
  [[nodiscard]] std::vector<const Op*> readers_of(int tensor) const {
    std::vector<const Op*> readers;
    for (const Op& op : facts_.program.ops) {
      if (std::find(op.inputs.begin(), op.inputs.end(), tensor) != op.inputs.end()) {
        readers.push_back(&op);
      }
    }
    return readers;
  }
  [[nodiscard]] const Op* writer_of(int tensor) const {
    for (const Op& op : facts_.program.ops) {
      if (op.output == tensor) return &op;
    }
    return nullptr;
  }
  /// A map that reads sums is done where they are.
  [[nodiscard]] bool is_fused(const Op& op) const {
    if (op.kind != Kind::kMap) return false;
    const Op* const writer = writer_of(op.inputs[0]);
    return writer != nullptr && (writer->kind == Kind::kConv || writer->kind == Kind::kDense);
  }
  [[nodiscard]] std::vector<const Op*> maps_of(const Op& op) const {
    std::vector<const Op*> maps = readers_of(op.output);
    std::erase_if(maps, [](const Op* reader) { return reader->kind != Kind::kMap; });
    return maps;
  }
  /// Does something else than maps want these sums?
  [[nodiscard]] bool is_wanted(const Op& op) const {
    const std::vector<int>& outputs = facts_.program.outputs;
    return readers_of(op.output).size() > maps_of(op).size() ||
           std::find(outputs.begin(), outputs.end(), op.output) != outputs.end();
  }

  void prepare(std::int64_t samples) {
    const std::size_t slots = contraction::slot_count();
    while (work_.size() < slots) {
      work_.emplace_back().tensors.resize(facts_.program.tensors.size());
    }
    for (const auto& operation : operations_) {
      if (samples >= size_) operation->prepare(size_, slots);
      if (samples % size_ != 0) operation->prepare(1, slots);
    }
  }

  [[nodiscard]] std::int64_t size(int tensor) const { return program().tensor(tensor).size(); }

  void run_operations(const fast::Batch& batch) const {
    for (const auto& operation : operations_) operation->run(batch);
  }

  /// body(batch, its first sample) on all threads.
  template <class Body>
  void for_each_batch(std::int64_t samples, bool is_traced, const Body& body) {
    prepare(samples);
    const std::int64_t count = (samples + size_ - 1) / size_;
    contraction::for_each_slice(count, [&](std::int64_t i, std::size_t slot) {
      const std::int64_t first = i * size_, end = std::min(samples, first + size_);
      const std::int64_t together = end - first == size_ ? size_ : 1;
      for (std::int64_t at = first; at < end; at += together) {
        body(fast::Batch{facts_, work_[slot], slot, together, is_traced}, at);
      }
    });
  }

  fast::Facts facts_;
  std::int64_t size_;  ///< samples of a batch
  std::vector<std::unique_ptr<fast::Operation>> operations_;
  std::vector<fast::Workplace> work_;  ///< one a slot
};

Executor::Executor(const Program& program) : plan_(std::make_unique<Plan>(program)) {}
Executor::~Executor() = default;

std::vector<Values> Executor::trace(std::span<const std::int64_t> input, std::int64_t samples) {
  std::vector<int> all;
  for (std::size_t i = 0; i < plan_->program().tensors.size(); ++i)
    all.push_back(static_cast<int>(i));
  return plan_->run(input, samples, all, true);
}

std::vector<Values> Executor::outputs(std::span<const std::int64_t> input, std::int64_t samples) {
  return plan_->run(input, samples, plan_->program().outputs, false);
}

void Executor::run(const void* input, std::int64_t samples, std::span<void* const> outputs) {
  plan_->run(static_cast<const std::byte*>(input), samples, outputs);
}

}  // namespace qloom::program
