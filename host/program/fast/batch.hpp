// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What operations of the fast executor work on: some samples on one thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "host/program/execute.hpp"
#include "host/program/fast/map.hpp"

namespace qloom::program::fast {

/// Memory of one thread.
struct Workplace {
  std::vector<Memory> tensors;  ///< by their numbers
  Memory input, sums, results;  ///< of one operation
  std::vector<std::int64_t> plain_in, plain_out;
};

/// A program with what is known of its tensors.
struct Facts {
  const Program& program;
  std::vector<Range> ranges;
  std::vector<Storage> storages;

  explicit Facts(const Program& of);
  [[nodiscard]] const Range& range(int tensor) const {
    return ranges[static_cast<std::size_t>(tensor)];
  }
  [[nodiscard]] Storage storage(int tensor) const {
    return storages[static_cast<std::size_t>(tensor)];
  }
};

/// Samples that go through the operations together.
struct Batch {
  const Facts& facts;
  Workplace& work;
  std::size_t slot;      ///< the thread's number
  std::int64_t samples;  ///< Plan::size or 1
  bool is_traced;        ///< every tensor is wanted

  [[nodiscard]] std::byte* tensor(int number) const {
    return work.tensors[static_cast<std::size_t>(number)].bytes(
        samples * facts.program.tensor(number).size() * bytes_of(facts.storage(number)));
  }
};

/// One operation of a program, or one with the maps behind it.
class Operation {
 public:
  virtual ~Operation() = default;
  /// Before run() with so many samples and slots.
  virtual void prepare(std::int64_t /*samples*/, std::size_t /*slots*/) {}
  virtual void run(const Batch& batch) = 0;
};

/// A conv or dense with the maps that read its sums; those stay where they are computed unless
/// something else reads them or the batch is traced.
[[nodiscard]] std::unique_ptr<Operation> make_products(const Facts& facts, const Op& op,
                                                       const std::vector<const Op*>& maps,
                                                       bool are_sums_wanted);
/// Every other kind.
[[nodiscard]] std::unique_ptr<Operation> make_operation(const Facts& facts, const Op& op);

}  // namespace qloom::program::fast
