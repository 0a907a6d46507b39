// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/datasets/dataset.hpp"

#include <array>
#include <cmath>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "host/data/arrays/npz.hpp"
#include "host/data/datasets/split.hpp"
#include "host/tensor/error.hpp"

namespace qloom::data {
namespace fs = std::filesystem;
namespace {

constexpr const char* kTrainLimit = "/data/train_limit";
constexpr const char* kTestLimit = "/data/test_limit";
constexpr const char* kFashionMnistFolder = "/usr/share/datasets/fashion-mnist";  // Debian package

const fs::path& require_path(const fs::path& path, const char* key, const char* expected) {
  if (path.empty()) {
    throw InputError(fmt::format("/data/{}: is missing, expected {}", key, expected));
  }
  return path;
}

LabelledSplit read_idx_split(const fs::path& images, const fs::path& labels, const Wanted& wanted) {
  const auto read = [](const fs::path& file) {
    return read_maybe_gzip(file, [&file](std::span<const std::uint8_t> first) {
      return idx_size(first, file.string());
    });
  };
  const Bytes image_bytes = read(images);
  const Bytes label_bytes = read(labels);
  return make_split({parse_idx(image_bytes, images.string()), images.string()},
                    {parse_idx(label_bytes, labels.string()), labels.string()}, wanted);
}

LabelledSplit read_npy_split(const fs::path& images, const fs::path& labels, const Wanted& wanted) {
  const Bytes image_bytes = read_bytes(images);
  const Bytes label_bytes = read_bytes(labels);
  return make_split({parse_npy(image_bytes, images.string()), images.string()},
                    {parse_npy(label_bytes, labels.string()), labels.string()}, wanted);
}

LabelledSplit read_npz_split(const fs::path& file, const Wanted& wanted) {
  const std::map<std::string, Bytes> members = read_members(file, {"images", "labels"});
  const auto parse = [&](const char* name) -> NamedArray {
    const auto found = members.find(name);
    if (found == members.end()) {
      throw InputError(fmt::format("{}: has no array \"{}\", expected \"images\" and \"labels\"",
                                   file.string(), name));
    }
    const std::string where = fmt::format("{}: member \"{}.npy\"", file.string(), name);
    return {parse_npy(found->second, where), where};
  };
  return make_split(parse("images"), parse("labels"), wanted);
}

/// Train and test split by `read(split name, wanted)`. The train labels tell the number of classes
/// when `classes` is 0; the test data must fit the train data.
template <class Read>
Dataset load_splits(const Source& source, std::int64_t classes, const Read& read) {
  Dataset out;
  LabelledSplit train =
      read(std::string("train"),
           Wanted{source.train_limit, kTrainLimit, classes == 0 ? kMaxClasses : classes, nullptr});
  out.train = std::move(train.split);
  out.classes = classes == 0 ? train.classes : classes;
  out.test =
      read(std::string("test"), Wanted{source.test_limit, kTestLimit, out.classes, &out.train})
          .split;
  return out;
}

Dataset load_idx(const Source& s) {
  return load_splits(s, 0, [&](const std::string& split, const Wanted& wanted) {
    const bool train = split == "train";
    constexpr const char* kExpected = "the path of an IDX file";
    return read_idx_split(require_path(train ? s.train_images : s.test_images,
                                       (split + "_images").c_str(), kExpected),
                          require_path(train ? s.train_labels : s.test_labels,
                                       (split + "_labels").c_str(), kExpected),
                          wanted);
  });
}

/// Each split from a .npz file or from two .npy files, whichever is given.
Dataset load_numpy(const Source& s) {
  return load_splits(s, 0, [&](const std::string& split, const Wanted& wanted) {
    const bool train = split == "train";
    const fs::path& file = train ? s.train_file : s.test_file;
    if (!file.empty()) return read_npz_split(file, wanted);
    const std::string expected = fmt::format("a .npy file, or a .npz file as /data/{}_file", split);
    return read_npy_split(require_path(train ? s.train_images : s.test_images,
                                       (split + "_images").c_str(), expected.c_str()),
                          require_path(train ? s.train_labels : s.test_labels,
                                       (split + "_labels").c_str(), expected.c_str()),
                          wanted);
  });
}

/// The file, or the file with ".gz" where only that exists.
fs::path plain_or_gzip(const fs::path& file) {
  std::error_code error;
  fs::path packed = file;
  packed += ".gz";
  return !fs::exists(file, error) && fs::exists(packed, error) ? packed : file;
}

fs::path fashion_mnist_folder(const Source& source) {
  return source.folder.empty() ? fs::path(kFashionMnistFolder) : source.folder;
}

/// Images and labels of "train" or "t10k".
std::vector<fs::path> fashion_mnist_files(const fs::path& folder, const std::string& stem) {
  return {plain_or_gzip(folder / (stem + "-images-idx3-ubyte")),
          plain_or_gzip(folder / (stem + "-labels-idx1-ubyte"))};
}

Dataset load_fashion_mnist(const Source& source) {
  const fs::path folder = fashion_mnist_folder(source);
  if (std::error_code error; !fs::is_directory(folder, error)) {
    throw InputError(
        fmt::format("{}: is no folder, expected the Fashion-MNIST files; the Debian package "
                    "dataset-fashion-mnist installs them, /data/folder names another place",
                    folder.string()));
  }
  Split shape;  // of both splits
  shape.height = shape.width = 28;
  shape.channels = 1;
  shape.bytes.resize(1);
  return load_splits(source, 10, [&](const std::string& split, Wanted wanted) {
    wanted.like = &shape;
    const std::vector<fs::path> files =
        fashion_mnist_files(folder, split == "train" ? "train" : "t10k");
    return read_idx_split(files[0], files[1], wanted);
  });
}

std::vector<fs::path> cifar_train_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (int i = 1; i <= 5; ++i) files.push_back(folder / fmt::format("data_batch_{}.bin", i));
  return files;
}

Dataset load_cifar(const Source& source) {
  const fs::path& folder =
      require_path(source.folder, "folder", "the folder of data_batch_1.bin and its siblings");
  const std::vector<fs::path> train = cifar_train_files(folder);
  Dataset out;
  out.train = read_cifar(train, source.train_limit, kTrainLimit);
  out.test = read_cifar({folder / "test_batch.bin"}, source.test_limit, kTestLimit);
  out.classes = 10;
  return out;
}

/// Mean and deviation of pixel / 255 per channel, from counts of the 256 bytes: the sums are the
/// same in any order. A channel that never changes gets deviation 1. Float images: 0 and 1.
void set_statistics(Dataset& set) {
  const auto channels = static_cast<std::size_t>(set.train.channels);
  set.mean.assign(channels, 0.0F);
  set.deviation.assign(channels, 1.0F);
  if (set.train.bytes.empty()) return;
  std::vector<std::array<std::uint64_t, 256>> counts(channels);
  for (std::size_t i = 0; i < set.train.bytes.size(); i += channels) {
    for (std::size_t c = 0; c < channels; ++c) ++counts[c][set.train.bytes[i + c]];
  }
  const double n = static_cast<double>(set.train.bytes.size() / channels);
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t v = 0; v < 256; ++v) {
      sum += static_cast<double>(counts[c][v]) * static_cast<double>(v);
    }
    const double mean = sum / n;
    for (std::size_t v = 0; v < 256; ++v) {
      const double d = static_cast<double>(v) - mean;
      squares += static_cast<double>(counts[c][v]) * d * d;
    }
    set.mean[c] = static_cast<float>(mean / 255.0);
    if (squares > 0) set.deviation[c] = static_cast<float>(std::sqrt(squares / n) / 255.0);
  }
}

}  // namespace

std::vector<fs::path> files_of(const Source& source) {
  std::vector<fs::path> files;
  if (source.dataset == "fashion-mnist") {
    for (const char* stem : {"train", "t10k"}) {
      for (fs::path& file : fashion_mnist_files(fashion_mnist_folder(source), stem)) {
        files.push_back(std::move(file));
      }
    }
  } else if (source.dataset == "cifar-10") {
    files = cifar_train_files(source.folder);
    files.push_back(source.folder / "test_batch.bin");
  } else {  // idx, numpy: whichever are given
    for (const fs::path* file : {&source.train_file, &source.train_images, &source.train_labels,
                                 &source.test_file, &source.test_images, &source.test_labels}) {
      if (!file->empty()) files.push_back(*file);
    }
  }
  return files;
}

Dataset load(const Source& source) {
  Dataset out;
  if (source.dataset == "fashion-mnist") {
    out = load_fashion_mnist(source);
  } else if (source.dataset == "cifar-10") {
    out = load_cifar(source);
  } else if (source.dataset == "idx") {
    out = load_idx(source);
  } else if (source.dataset == "numpy") {
    out = load_numpy(source);
  } else {
    throw InputError(fmt::format(
        "/data/dataset: \"{}\", expected \"fashion-mnist\", \"cifar-10\", \"idx\" or \"numpy\"",
        source.dataset));
  }
  out.name = source.dataset;
  set_statistics(out);
  return out;
}

}  // namespace qloom::data
