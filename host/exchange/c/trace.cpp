// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/trace.hpp"

#include <string>

#include <fmt/format.h>

#include "host/data/file.hpp"
#include "host/exchange/c/types.hpp"
#include "host/tensor/error.hpp"

namespace qloom::exchange::c {
namespace {

/// Numbers of a file, little end first.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file)
      : name_(file.string()), bytes_(data::read_bytes(file)) {}

  [[nodiscard]] bool is_at_end() const { return at_ == bytes_.size(); }
  std::uint64_t number(std::size_t bytes) {
    require(bytes);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{bytes_[at_++]} << (8 * i);
    return value;
  }
  std::string text(std::size_t bytes) {
    require(bytes);
    at_ += bytes;
    const auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
    return {end - static_cast<std::ptrdiff_t>(bytes), end};
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw InputError(fmt::format("{}: byte {}: {}", name_, at_, why));
  }

 private:
  void require(std::size_t bytes) const {
    if (bytes > bytes_.size() - at_) fail("the file ends here, expected more of a trace");
  }

  std::string name_;
  data::Bytes bytes_;
  std::size_t at_ = 0;
};

/// The next record, which has to be of this tensor.
void read_record(Reader& reader, const program::Tensor& tensor, std::vector<std::int64_t>& values) {
  const std::string name = reader.text(reader.number(4));
  if (name != tensor.name) {
    reader.fail(fmt::format("tensor \"{}\", expected \"{}\"", name, tensor.name));
  }
  const CType type = stored(tensor);
  const bool is_signed = reader.number(1) != 0;
  const std::uint64_t bits = reader.number(1), count = reader.number(4);
  if (is_signed != type.is_signed || bits != static_cast<std::uint64_t>(type.bits) ||
      count != static_cast<std::uint64_t>(tensor.size())) {
    reader.fail(fmt::format("\"{}\": {} {} numbers of {} bits, expected {} of {}", name, count,
                            is_signed ? "signed" : "unsigned", bits, tensor.size(), type.text()));
  }
  const int unused = 64 - type.bits;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t top = reader.number(bits / 8) << unused;
    const auto wide = static_cast<std::int64_t>(top);
    values.push_back(is_signed ? wide >> unused : static_cast<std::int64_t>(top >> unused));
  }
}

}  // namespace

std::vector<std::vector<std::int64_t>> read_trace(const std::filesystem::path& file,
                                                  const program::Program& program) {
  Reader reader(file);
  if (reader.text(8) != "qloomtr1") reader.fail("no trace of a harness");
  std::vector<int> order{program.input};
  for (const program::Op& op : program.ops) order.push_back(op.output);
  std::vector<std::vector<std::int64_t>> values(program.tensors.size());
  while (!reader.is_at_end()) {
    for (const int tensor : order) {
      read_record(reader, program.tensor(tensor), values[static_cast<std::size_t>(tensor)]);
    }
  }
  return values;
}

}  // namespace qloom::exchange::c
