// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// IDX files, plain or gzip. The first bytes of the input, as many as its first byte says times 16,
// are the labels, the rest the images.
#include <algorithm>

#include "host/data/datasets/dataset.hpp"
#include "tests/fuzz/input.hpp"

namespace {

const qloom::fuzz::InputFile& images() {
  static const qloom::fuzz::InputFile one("images");
  return one;
}
const qloom::fuzz::InputFile& labels() {
  static const qloom::fuzz::InputFile one("labels");
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qloom;
  if (size == 0) return 0;
  const std::span<const std::uint8_t> all(data + 1, size - 1);
  const std::size_t first = std::min(std::size_t{16} * data[0], all.size());
  data::Source source;
  source.dataset = "idx";
  source.train_labels = source.test_labels = labels().with(all.first(first));
  source.train_images = source.test_images = images().with(all.subspan(first));
  return fuzz::reads_or_refuses([&] { static_cast<void>(data::load(source)); });
}
