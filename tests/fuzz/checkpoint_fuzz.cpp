// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A checkpoint as far as it is read without a network: arrays, text, what weights are taken from.
#include "host/data/arrays/array_file.hpp"
#include "host/results/checkpoint_text.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/zip_mutation.hpp"

namespace {

const qloom::fuzz::InputFile& file() {
  static const qloom::fuzz::InputFile one("checkpoint.npz");
  return one;
}

/// What a run starts from: weights of any number type, state of sites, the loss.
void read_weights(const qloom::data::Arrays& arrays, const std::string& name) {
  using namespace qloom;
  data::ArrayReader reader(arrays, name);
  for (const std::string& key : reader.names_below("parameter/")) {
    fuzz::reads_or_refuses(
        [&] { static_cast<void>(reader.read_weights(key, arrays.at(key).shape)); });
  }
  for (const std::string& key : reader.names_below("site/")) {
    if (!key.ends_with("/@methods")) continue;
    fuzz::reads_or_refuses([&] { static_cast<void>(reader.read_json(key)); });
  }
  fuzz::reads_or_refuses([&] { results::require_site_arrays(reader, arrays); });
  fuzz::reads_or_refuses([&] { static_cast<void>(results::loss_of_file(reader)); });
  static_cast<void>(results::weights_warnings(reader));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  const std::filesystem::path& path = file().with({data, size});
  return fuzz::reads_or_refuses([&] {
    data::Arrays arrays = data::read_npz(path);
    read_weights(arrays, path.string());
    data::ArrayReader reader(arrays, path.string());
    const results::CheckpointText text = results::read_checkpoint_text(reader, arrays);
    results::add_text(text, arrays);  // what is taken can be kept again
    data::ArrayReader again(arrays, "again");
    static_cast<void>(results::read_checkpoint_text(again, arrays));
  });
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return qloom::fuzz::mutate_zip(data, size, most, seed);
}
