// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// From arrays as files hold them to a checked Split.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/data/arrays/npy.hpp"
#include "host/data/datasets/dataset.hpp"

namespace qloom::data {

/// The most classes a dataset may have; a larger label is taken for a corrupt file.
inline constexpr std::int64_t kMaxClasses = 65536;

/// An IDX file (plain, decompressed): 00 00 <type> <rank>, big-endian extents, big-endian elements.
/// Throws InputError that begins with `where`.
[[nodiscard]] RawArray parse_idx(std::span<const std::uint8_t> bytes, const std::string& where);

/// Bytes of the whole file, as the header at its beginning says; nothing while `bytes` do not hold
/// all of that header. InputError as parse_idx().
[[nodiscard]] std::optional<std::uint64_t> idx_size(std::span<const std::uint8_t> bytes,
                                                    const std::string& where);

/// What a split must be.
struct Wanted {
  std::int64_t limit = 0;              ///< first n samples only; 0: all
  const char* limit_key = "";          ///< JSON pointer of `limit`, for messages
  std::int64_t classes = kMaxClasses;  ///< labels are 0 .. classes - 1
  const Split* like = nullptr;         ///< images have this one's shape and type; nullptr: any
};

struct LabelledSplit {
  Split split;
  std::int64_t classes = 0;  ///< largest label of the whole file + 1, whatever the limit
};

/// An array and the file (and member) it is from, for messages.
struct NamedArray {
  RawArray array;
  std::string where;
};

/// Images (N, features), (N, H, W) or (N, H, W, C) of uint8 or float32; features become channels of
/// 1 x 1 images. Labels: (N) of any integer type. Throws InputError for anything else, for NaN and
/// infinity, for no samples, for more samples asked for than there are.
[[nodiscard]] LabelledSplit make_split(const NamedArray& images, const NamedArray& labels,
                                       const Wanted& wanted);

/// CIFAR-10 binary batches: records of a label byte and 3 x 32 x 32 planar pixel bytes.
[[nodiscard]] Split read_cifar(const std::vector<std::filesystem::path>& files, std::int64_t limit,
                               const char* limit_key);

/// The number of samples to keep. Throws InputError "<limit_key>: ..." when it is negative or more
/// than `count`, the samples of `where`.
[[nodiscard]] std::int64_t kept_samples(std::int64_t count, std::int64_t limit,
                                        const char* limit_key, const std::string& where);

}  // namespace qloom::data
