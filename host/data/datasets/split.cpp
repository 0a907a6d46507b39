// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/datasets/split.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

void set_shape(Split& split, const RawArray& images, const std::string& where) {
  const Shape& s = images.shape;
  if (s.size() < 2 || s.size() > 4) {
    throw InputError(
        fmt::format("{}: images of shape {}, expected (N, features), (N, H, W) or (N, H, W, C)",
                    where, shape_text(s)));
  }
  split.count = s[0];
  split.height = s.size() == 2 ? 1 : s[1];
  split.width = s.size() == 2 ? 1 : s[2];
  split.channels = s.size() == 2 ? s[1] : s.size() == 3 ? 1 : s[3];
  constexpr std::int64_t kMaxCount = std::numeric_limits<std::int32_t>::max();
  if (split.count == 0 || split.count > kMaxCount || checked_count(s) == 0) {
    throw InputError(
        fmt::format("{}: images of shape {}, expected 1 to {} samples of 1 pixel or more", where,
                    shape_text(s), kMaxCount));
  }
}

std::string text_of(const Split& s) {
  return fmt::format("{} x {} x {} {}", s.height, s.width, s.channels,
                     s.bytes.empty() ? "float32" : "uint8");
}

void require_finite(const std::vector<float>& values, const std::string& where) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw InputError(
          fmt::format("{}: element {} is {}, expected a finite number", where, i, values[i]));
    }
  }
}

/// Fills split.labels and returns the largest label + 1.
std::int64_t set_labels(Split& split, const NamedArray& labels, std::int64_t classes) {
  const Shape& shape = labels.array.shape;
  if (shape.size() != 1 || shape[0] != split.count) {
    throw InputError(fmt::format("{}: labels of shape {}, expected ({},), one for each image",
                                 labels.where, shape_text(shape), split.count));
  }
  const std::vector<std::int64_t> values = to_integers(labels.array, labels.where);
  std::int64_t found = 0;
  split.labels.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] < 0 || values[i] >= classes) {
      throw InputError(fmt::format("{}: label {} is {}, expected 0 to {}", labels.where, i,
                                   values[i], classes - 1));
    }
    found = std::max(found, values[i] + 1);
    split.labels.push_back(static_cast<std::int32_t>(values[i]));
  }
  return found;
}

template <class T>
void keep_first(std::vector<T>& values, std::size_t count) {
  if (values.size() == count) return;
  values.resize(count);
  values.shrink_to_fit();
}

}  // namespace

std::int64_t kept_samples(std::int64_t count, std::int64_t limit, const char* limit_key,
                          const std::string& where) {
  if (limit < 0 || limit > count) {
    throw InputError(fmt::format("{}: {}, expected 0 (all) to {}, the samples of {}", limit_key,
                                 limit, count, where));
  }
  return limit == 0 ? count : limit;
}

LabelledSplit make_split(const NamedArray& images, const NamedArray& labels, const Wanted& wanted) {
  LabelledSplit out;
  Split& split = out.split;
  set_shape(split, images.array, images.where);
  if (images.array.is('u', 1)) {
    split.bytes = elements<std::uint8_t>(images.array);
  } else if (images.array.is('f', 4)) {
    split.values = elements<float>(images.array);
    require_finite(split.values, images.where);
  } else {
    throw InputError(fmt::format("{}: element type '{}', expected uint8 or float32 images",
                                 images.where, images.array.type));
  }
  if (wanted.like != nullptr && text_of(*wanted.like) != text_of(split)) {
    throw InputError(fmt::format("{}: images of {}, expected {}", images.where, text_of(split),
                                 text_of(*wanted.like)));
  }
  out.classes = set_labels(split, labels, wanted.classes);
  split.count = kept_samples(split.count, wanted.limit, wanted.limit_key, images.where);
  const auto kept = static_cast<std::size_t>(split.count);
  const auto pixels = static_cast<std::size_t>(split.height * split.width * split.channels);
  keep_first(split.labels, kept);
  if (split.bytes.empty()) {
    keep_first(split.values, kept * pixels);
  } else {
    keep_first(split.bytes, kept * pixels);
  }
  return out;
}

}  // namespace qloom::data
