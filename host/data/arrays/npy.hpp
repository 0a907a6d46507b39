// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The .npy format (NumPy enhancement proposal 1), read strictly, and arrays whose element type is
// known only at run time, as .npy and IDX files hold them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/data/arrays/array_file.hpp"
#include "host/data/file.hpp"

namespace qloom::data {

/// Elements of a type known at run time, in the file's own byte order; a view of a file's bytes.
struct RawArray {
  char kind = 0;           ///< 'f' float, 'i' signed, 'u' unsigned, 'b' Boolean, as in NumPy
  std::uint32_t size = 0;  ///< Unit: bytes of one element.
  bool big_endian = false;
  bool fortran_order = false;
  Shape shape;
  std::string type;                     ///< as the file names it, for messages
  std::span<const std::uint8_t> bytes;  ///< exactly the elements
  [[nodiscard]] bool is(char k, std::uint32_t s) const { return kind == k && size == s; }
};

/// Reads a whole .npy file; `where` (file, perhaps a member) begins each InputError. Any plain
/// numeric type; compound types and objects are refused.
[[nodiscard]] RawArray parse_npy(std::span<const std::uint8_t> bytes, const std::string& where);

/// Bytes of the whole file, as the header at its beginning says; nothing while `bytes` do not hold
/// all of that header. InputError as parse_npy().
[[nodiscard]] std::optional<std::uint64_t> npy_size(std::span<const std::uint8_t> bytes,
                                                    const std::string& where);

/// The elements in C order and the machine's byte order; T must be the array's type.
template <class T>
[[nodiscard]] std::vector<T> elements(const RawArray& raw);
/// Into caller memory of as many elements.
template <class T>
void copy_elements(const RawArray& raw, T* out);

/// Any of Array's types, else InputError.
[[nodiscard]] Array to_array(const RawArray& raw, const std::string& where);
/// Any integer type as int64; InputError for other types and for values above 2^63 - 1.
[[nodiscard]] std::vector<std::int64_t> to_integers(const RawArray& raw, const std::string& where);

/// A .npy file of the array: header of format 1.0 padded to a multiple of 64 bytes, then elements.
[[nodiscard]] Bytes npy_bytes(const Array& array);
/// Header alone; type as in "<f4".
[[nodiscard]] std::string npy_header(const std::string& type, const Shape& shape);

/// "(2, 3)"
[[nodiscard]] std::string shape_text(const Shape& shape);

/// Number of elements, or -1 when an extent is negative or the extents' product, zeros left out, is
/// not below 2^56.
[[nodiscard]] std::int64_t checked_count(const Shape& shape);

}  // namespace qloom::data
