// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A program's folder. The input is an archive: member "text" is program.json, the others are the
// arrays of program.npz; digests are made right, so that what lies behind them is read. What is
// read can be written, read again and executed: its sums then stay in 64 bits, which a sanitizer
// watches.
#include "host/data/arrays/npz.hpp"
#include "host/json/text.hpp"
#include "host/program/constants.hpp"
#include "host/program/document.hpp"
#include "host/program/execute.hpp"
#include "host/program/files.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/zip_mutation.hpp"

namespace {

using namespace qloom;

const fuzz::InputFile& file() {
  static const fuzz::InputFile one("program.json");
  return one;
}

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void put(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

/// The text with the digests that the file's reader expects.
std::string with_digests(const std::string& text, const data::Bytes& arrays) {
  json::Json document = json::parse(text, "text");
  if (!document.is_object()) return text;
  document["constants"] = program::to_json(program::hash_of(arrays));
  document["digest"] = program::digest_of(document);
  return document.dump();
}

/// Additions and steps of one sample.
std::int64_t work_of(const program::Program& made) {
  std::int64_t work = 0;
  for (const program::Op& op : made.ops) {
    const std::int64_t window = op.window.kernel_h * op.window.kernel_w * op.window.in_c;
    work += made.tensor(op.output).size() * window + made.tensor(op.inputs[0]).size();
    if (work > 1000000) break;
  }
  return work;
}

void run(const program::Program& made) {
  if (work_of(made) > 1000000) return;
  const program::Tensor& input = made.tensor(made.input);
  const auto [lo, hi] = input.type.values();
  program::Values values(static_cast<std::size_t>(input.size()), lo);
  values.resize(2 * values.size(), hi);
  const std::vector<program::Values> tensors = execute(made, values, 2);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const program::Interval held = made.tensors[i].type.values();
    for (const std::int64_t value : tensors[i]) {
      if (value < held.lo || value > held.hi) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::map<std::string, data::Bytes> members = fuzz::members_of(bytes, size);
  const data::Bytes content = members["text"];
  members.erase("text");
  std::string text(content.begin(), content.end());
  return fuzz::reads_or_refuses([&] {
    const data::Bytes arrays = members.empty() ? data::Bytes{} : data::zip_bytes(members);
    text = with_digests(text, arrays);
    const std::filesystem::path folder = file().with(bytes_of(text)).parent_path();
    put(folder / "program.npz", arrays);
    const program::Program made = program::read(folder);
    run(made);
    if (size % 8 != 0) return;  // writing waits for the disk
    write(made, file().root() / "again");
    if (!(program::read(file().root() / "again") == made)) std::abort();
  });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return qloom::fuzz::mutate_zip(data, size, most, seed);
}
