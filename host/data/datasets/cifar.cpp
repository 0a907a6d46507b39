// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Reference: Krizhevsky, "The CIFAR-10 dataset", section "Binary version".
#include <fmt/format.h>

#include "host/data/datasets/split.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

constexpr std::size_t kSide = 32, kPlane = kSide * kSide, kChannels = 3, kClasses = 10;
constexpr std::size_t kRecordBytes = 1 + kChannels * kPlane;

/// The original files have 10,000 records; ten times as many is no such file.
constexpr std::size_t kMostRecords = 100'000;

/// The size once it is too much: a file of records has no header that tells it.
std::optional<std::uint64_t> most_bytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() <= kMostRecords * kRecordBytes) return {};
  return kMostRecords * kRecordBytes;
}

void append_batch(Split& split, const std::filesystem::path& file) {
  const Bytes bytes = read_maybe_gzip(file, &most_bytes);
  if (bytes.empty() || bytes.size() % kRecordBytes != 0) {
    throw InputError(fmt::format("{}: {} bytes, expected a positive multiple of {}", file.string(),
                                 bytes.size(), kRecordBytes));
  }
  const std::size_t count = bytes.size() / kRecordBytes;
  split.bytes.reserve(split.bytes.size() + count * kChannels * kPlane);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* record = bytes.data() + i * kRecordBytes;
    if (record[0] >= kClasses) {
      throw InputError(fmt::format("{}: label {} is {}, expected 0 to {}", file.string(), i,
                                   record[0], kClasses - 1));
    }
    split.labels.push_back(record[0]);
    for (std::size_t pixel = 0; pixel < kPlane; ++pixel) {  // planes -> channels last
      for (std::size_t c = 0; c < kChannels; ++c) {
        split.bytes.push_back(record[1 + c * kPlane + pixel]);
      }
    }
  }
}

}  // namespace

Split read_cifar(const std::vector<std::filesystem::path>& files, std::int64_t limit,
                 const char* limit_key) {
  Split split;
  split.height = split.width = kSide;
  split.channels = kChannels;
  for (const std::filesystem::path& file : files) append_batch(split, file);
  split.count = kept_samples(static_cast<std::int64_t>(split.labels.size()), limit, limit_key,
                             files.front().parent_path().string());
  const auto kept = static_cast<std::size_t>(split.count);
  split.labels.resize(kept);
  split.bytes.resize(kept * kChannels * kPlane);
  split.bytes.shrink_to_fit();
  return split;
}

}  // namespace qloom::data
