// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Labelled images for training and testing, held once in memory as bytes or floats.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace qloom::data {

/// Where a dataset comes from; mirrors "data" of a pipeline. Paths are resolved already.
struct Source {
  std::string dataset;           ///< "fashion-mnist", "idx", "cifar-10", "numpy"
  std::filesystem::path folder;  ///< fashion-mnist, cifar-10: folder; empty: the default place
  std::filesystem::path train_images, train_labels, test_images, test_labels;  ///< idx, numpy
  std::filesystem::path train_file, test_file;   ///< numpy: .npz with arrays "images" and "labels"
  std::int64_t train_limit = 0, test_limit = 0;  ///< first n samples only; 0: all
};

/// One split. Images are NHWC; bytes stay bytes until a batch is made. Pixel bytes map to
/// (byte / 255 - mean[c]) / deviation[c].
struct Split {
  std::int64_t count = 0, height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> bytes;  ///< either this
  std::vector<float> values;        ///< or this (numpy float images, used as they are)
  std::vector<std::int32_t> labels;
};

struct Dataset {
  Split train, test;
  std::int64_t classes = 0;
  std::vector<float> mean, deviation;  ///< of train pixels / 255, per channel, computed in double
  std::string name;
};

/// Throws InputError that names the file, the value and what was expected: a missing file, bad
/// magic, wrong sizes, truncated or trailing bytes, corrupt gzip, labels out of range, NaN or
/// infinity in float images, no samples.
[[nodiscard]] Dataset load(const Source& source);

/// The files that load() reads, in the order in which it reads them; those that are missing too.
[[nodiscard]] std::vector<std::filesystem::path> files_of(const Source& source);

enum class Normalisation {
  kStandard,  ///< (pixel / 255 - mean) / deviation
  kUnit,      ///< pixel / 255
  kSymmetric  ///< pixel / 127.5 - 1 (WAGE)
};

/// The order of the samples in an epoch: a function of seed and epoch alone (Philox keys, sorted).
[[nodiscard]] std::vector<std::int32_t> shuffled_order(std::int64_t count, std::uint64_t seed,
                                                       std::uint64_t epoch);

/// Writes samples order[first .. first + n) as float NHWC to x and their labels.
void make_batch(const Dataset&, const Split&, Normalisation, const std::int32_t* order,
                std::int64_t first, std::int64_t n, float* x, std::int32_t* labels);

}  // namespace qloom::data
