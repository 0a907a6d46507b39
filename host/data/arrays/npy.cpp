// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/data/arrays/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "host/tensor/error.hpp"

namespace qloom::data {
namespace {

static_assert(std::endian::native == std::endian::little, "files are written little-endian");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxRank = 64;  // NumPy's own limit

/// The header is a Python dictionary literal with three keys, in any order:
///   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  void parse(RawArray& out) {
    bool seen_type = false, seen_order = false, seen_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !seen_type) {
        seen_type = true;
        out.type = type();
      } else if (key == "fortran_order" && !seen_order) {
        seen_order = true;
        out.fortran_order = flag();
      } else if (key == "shape" && !seen_shape) {
        seen_shape = true;
        out.shape = shape();
      } else {
        fail(fmt::format("key '{}' once each of 'descr', 'fortran_order', 'shape'", key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("the end of the header");
    if (!seen_type || !seen_order || !seen_shape) {
      fail("the keys 'descr', 'fortran_order' and 'shape'");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw InputError(fmt::format("{}: corrupt .npy header at byte {} of its text, expected {}",
                                 where_, at_, expected));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("'{}'", c));
  }
  std::string quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("a quoted text");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a closing quote");
    const std::string word(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return word;
  }
  std::string type() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw InputError(
          fmt::format("{}: a compound element type, expected one number per element", where_));
    }
    return quoted();
  }
  bool flag() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    fail("True or False");
  }
  Shape shape() {
    Shape extents;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = 0;
      const char* first = text_.data() + at_;
      const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0) fail("an extent from 0 to 2^63 - 1");
      if (extents.size() == kMaxRank) fail("at most 64 axes");
      at_ += static_cast<std::size_t>(end - first);
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // written by Python 2
      extents.push_back(extent);
      if (!accept(',')) {
        if (extents.size() == 1) fail("',' after the only extent");
        expect(')');
        break;
      }
    }
    return extents;
  }

  std::string_view text_;
  const std::string& where_;
  std::size_t at_ = 0;
};

/// "<f4" -> byte order, kind, size.
void decode_type(RawArray& out, const std::string& where) {
  const std::string& type = out.type;
  const bool has_order =
      !type.empty() && std::string_view("<>|=").find(type[0]) != std::string_view::npos;
  const std::string_view name = std::string_view(type).substr(has_order ? 1 : 0);
  constexpr std::array<std::string_view, 12> kKnown{"f2", "f4", "f8", "i1", "i2", "i4",
                                                    "i8", "u1", "u2", "u4", "u8", "b1"};
  if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
    throw InputError(
        fmt::format("{}: element type '{}' is not a number of at most 64 bits", where, type));
  }
  out.kind = name[0];
  out.size = static_cast<std::uint32_t>(name[1] - '0');
  out.big_endian = type[0] == '>';
}

/// Offset in C order -> offset in Fortran order, one element after the other.
class FortranWalk {
 public:
  explicit FortranWalk(const Shape& shape) : shape_(shape), index_(shape.size(), 0) {
    std::size_t stride = 1;
    for (const std::int64_t extent : shape) {
      strides_.push_back(stride);
      stride *= static_cast<std::size_t>(extent);
    }
  }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  void next() {
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      offset_ += strides_[axis];
      if (++index_[axis] < shape_[axis]) return;
      offset_ -= strides_[axis] * static_cast<std::size_t>(shape_[axis]);
      index_[axis] = 0;
    }
  }

 private:
  const Shape& shape_;
  Shape index_;
  std::vector<std::size_t> strides_;
  std::size_t offset_ = 0;
};

template <class T>
std::vector<std::int64_t> widened(const RawArray& raw, const std::string& where) {
  const std::vector<T> values = elements<T>(raw);
  std::vector<std::int64_t> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      if (values[i] > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw InputError(
            fmt::format("{}: element {} is {}, expected at most 2^63 - 1", where, i, values[i]));
      }
    }
    out[i] = static_cast<std::int64_t>(values[i]);
  }
  return out;
}

template <class T>
constexpr const char* type_name() {
  if constexpr (std::is_same_v<T, float>) return "<f4";
  if constexpr (std::is_same_v<T, double>) return "<f8";
  if constexpr (std::is_same_v<T, std::int32_t>) return "<i4";
  if constexpr (std::is_same_v<T, std::int64_t>) return "<i8";
  if constexpr (std::is_same_v<T, std::uint8_t>) return "|u1";
}

}  // namespace

namespace {

/// What a .npy file says before its elements.
struct Header {
  RawArray raw;              ///< without bytes
  std::uint64_t start = 0;   ///< of the elements. Unit: bytes.
  std::uint64_t length = 0;  ///< of the elements. Unit: bytes.
};

/// The header, or nothing when `bytes` end before it does; `needed` is then how many it takes.
std::optional<Header> parse_header(std::span<const std::uint8_t> bytes, const std::string& where,
                                   std::uint64_t& needed) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.substr(0, kMagic.size()) != kMagic.substr(0, std::min(kMagic.size(), text.size()))) {
    throw InputError(fmt::format("{}: does not begin with the .npy magic 93 'NUMPY'", where));
  }
  needed = 10;
  if (bytes.size() < needed) return {};
  const unsigned major = bytes[6], minor = bytes[7];
  if (major < 1 || major > 3 || minor != 0) {
    throw InputError(
        fmt::format("{}: .npy version {}.{}, expected 1.0, 2.0 or 3.0", where, major, minor));
  }
  Header header;
  header.start = needed = major == 1 ? 10 : 12;
  if (bytes.size() < needed) return {};
  std::uint64_t length = bytes[8] + 256U * bytes[9];
  if (major > 1) length += (std::uint64_t{bytes[10]} << 16) + (std::uint64_t{bytes[11]} << 24);
  needed += length;
  if (bytes.size() < needed) return {};
  RawArray& raw = header.raw;
  HeaderParser(text.substr(header.start, length), where).parse(raw);
  decode_type(raw, where);
  const std::int64_t count = checked_count(raw.shape);
  if (count < 0) {
    throw InputError(fmt::format("{}: shape {} is too large", where, shape_text(raw.shape)));
  }
  header.start = needed;
  header.length = static_cast<std::uint64_t>(count) * raw.size;
  return header;
}

}  // namespace

std::optional<std::uint64_t> npy_size(std::span<const std::uint8_t> bytes,
                                      const std::string& where) {
  std::uint64_t needed = 0;
  const std::optional<Header> header = parse_header(bytes, where, needed);
  if (!header) return {};
  return header->start + header->length;
}

RawArray parse_npy(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto truncated = [&](std::uint64_t expected) {
    throw InputError(
        fmt::format("{}: truncated, {} bytes, expected {}", where, bytes.size(), expected));
  };
  std::uint64_t needed = 0;
  std::optional<Header> header = parse_header(bytes, where, needed);
  if (!header) truncated(needed);
  RawArray raw = std::move(header->raw);
  raw.bytes = bytes.subspan(header->start);
  if (raw.bytes.size() < header->length) truncated(header->start + header->length);
  if (raw.bytes.size() > header->length) {
    throw InputError(fmt::format("{}: {} bytes follow the {} of shape {}, expected none", where,
                                 raw.bytes.size() - header->length, header->length,
                                 shape_text(raw.shape)));
  }
  return raw;
}

template <class T>
void copy_elements(const RawArray& raw, T* out) {
  if (raw.bytes.empty()) return;
  std::memcpy(out, raw.bytes.data(), raw.bytes.size());
  const std::size_t count = raw.bytes.size() / sizeof(T);
  if (raw.big_endian && sizeof(T) > 1) {
    auto* byte = reinterpret_cast<std::uint8_t*>(out);
    for (std::size_t i = 0; i < count; ++i, byte += sizeof(T)) std::reverse(byte, byte + sizeof(T));
  }
  if (!raw.fortran_order || raw.shape.size() < 2) return;
  const std::vector<T> fortran(out, out + count);
  FortranWalk walk(raw.shape);
  for (std::size_t i = 0; i < count; ++i, walk.next()) out[i] = fortran[walk.offset()];
}

template <class T>
std::vector<T> elements(const RawArray& raw) {
  std::vector<T> values(raw.bytes.size() / sizeof(T));
  copy_elements(raw, values.data());
  return values;
}

template void copy_elements<float>(const RawArray&, float*);
template std::vector<std::uint8_t> elements(const RawArray&);
template std::vector<float> elements(const RawArray&);

Array to_array(const RawArray& raw, const std::string& where) {
  if (raw.is('f', 4)) return {raw.shape, elements<float>(raw)};
  if (raw.is('f', 8)) return {raw.shape, elements<double>(raw)};
  if (raw.is('i', 4)) return {raw.shape, elements<std::int32_t>(raw)};
  if (raw.is('i', 8)) return {raw.shape, elements<std::int64_t>(raw)};
  if (raw.is('u', 1)) return {raw.shape, elements<std::uint8_t>(raw)};
  throw InputError(fmt::format(
      "{}: element type '{}', expected float32, float64, int32, int64 or uint8", where, raw.type));
}

std::vector<std::int64_t> to_integers(const RawArray& raw, const std::string& where) {
  if (raw.is('i', 1)) return widened<std::int8_t>(raw, where);
  if (raw.is('i', 2)) return widened<std::int16_t>(raw, where);
  if (raw.is('i', 4)) return widened<std::int32_t>(raw, where);
  if (raw.is('i', 8)) return widened<std::int64_t>(raw, where);
  if (raw.is('u', 1)) return widened<std::uint8_t>(raw, where);
  if (raw.is('u', 2)) return widened<std::uint16_t>(raw, where);
  if (raw.is('u', 4)) return widened<std::uint32_t>(raw, where);
  if (raw.is('u', 8)) return widened<std::uint64_t>(raw, where);
  throw InputError(fmt::format("{}: element type '{}', expected an integer type", where, raw.type));
}

std::string npy_header(const std::string& type, const Shape& shape) {
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", type,
                                 shape_text(shape));
  constexpr std::size_t kStart = 10, kAlign = 64;
  const std::size_t unpadded = kStart + text.size() + 1;
  text.append((kAlign - unpadded % kAlign) % kAlign, ' ');
  text += '\n';
  std::string header(kMagic);
  header +=
      {'\x01', '\x00', static_cast<char>(text.size() % 256), static_cast<char>(text.size() / 256)};
  return header + text;
}

Bytes npy_bytes(const Array& array) {
  return std::visit(
      [&](const auto& values) {
        using T = typename std::decay_t<decltype(values)>::value_type;
        const std::string header = npy_header(type_name<T>(), array.shape);
        Bytes bytes(header.size() + values.size() * sizeof(T));
        std::copy(header.begin(), header.end(), bytes.begin());
        if (!values.empty()) {
          std::memcpy(bytes.data() + header.size(), values.data(), values.size() * sizeof(T));
        }
        return bytes;
      },
      array.values);
}

std::string shape_text(const Shape& shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

std::int64_t checked_count(const Shape& shape) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 56;
  std::int64_t product = 1;
  bool has_zero = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) return -1;
    if (extent == 0) {
      has_zero = true;
    } else if (product > (kLimit - 1) / extent) {
      return -1;
    } else {
      product *= extent;
    }
  }
  return has_zero ? 0 : product;
}

}  // namespace qloom::data
