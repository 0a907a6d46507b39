// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Named arrays of a file, handed out with checks: presence, element type, shape. Whoever reads
// arrays reads them here, so that none is ever taken for absent because it is of another kind.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "host/data/arrays/array_file.hpp"
#include "host/json/json.hpp"
#include "host/tensor/warning.hpp"

namespace qloom::data {

/// "float64", as NumPy calls the element type.
[[nodiscard]] const char* type_name(const Array& array);
/// "float64 (8, 2)"
[[nodiscard]] std::string describe(const Array& array);
/// "[0, 1]", the place of element `flat` in an array of this shape.
[[nodiscard]] std::string index_text(const Shape& shape, std::size_t flat);

/// How many values changed on their way to float32.
struct RoundedValues {
  std::uint64_t values = 0;   ///< read from arrays of float64
  std::uint64_t inexact = 0;  ///< of these, no float32 numbers: rounded to the nearest one
  /// "12 of 16 float64 values are no float32 numbers and were rounded to the nearest", or "" when
  /// none changed.
  [[nodiscard]] std::string text() const;
};

/// The array's values as float32. float64 is rounded to the nearest, ties to even; integers are
/// taken from -2^24 to 2^24, all of which float32 holds. InputError "<where>: element [0, 1] ..."
/// for integers beyond, values that would become infinite, and values that are not finite.
[[nodiscard]] std::vector<float> to_float32(const Array& array, const std::string& where,
                                            RoundedValues& rounded);

/// More than twelve functions: one for each form in which arrays are asked for, and what is known
/// of the rest.
class ArrayReader {
 public:
  /// `arrays` must outlive the reader; `file` begins every message.
  ArrayReader(const Arrays& arrays, std::string file);

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] bool contains(const std::string& name) const { return arrays_->contains(name); }
  /// Is there an array whose name begins with `prefix`?
  [[nodiscard]] bool contains_below(const std::string& prefix) const;

  /// The array will be read: its name is no suggestion for one that is missing.
  void expect(const std::string& name) { expected_.insert(name); }
  /// The values of an array of exactly this type and shape. InputError with file, array, found and
  /// expected type and shape when it is missing or another.
  template <class T>
  [[nodiscard]] const std::vector<T>& read(const std::string& name, const Shape& shape);
  /// An array of this type with one axis of any length.
  template <class T>
  [[nodiscard]] const std::vector<T>& read_list(const std::string& name);
  /// The text that a list of uint8 holds, as JSON; InputError as json::parse().
  [[nodiscard]] json::Json read_json(const std::string& name);
  /// Values for float32 weights, of any type that to_float32() takes.
  [[nodiscard]] std::vector<float> read_weights(const std::string& name, const Shape& shape);
  /// Refuses the array unless it has the type of `like`; its values are not read.
  void require_type(const std::string& name, const Array& like) const;
  /// The arrays whose names begin with `prefix`, without it. All count as read.
  [[nodiscard]] Arrays read_below(const std::string& prefix);

  /// The same for arrays that mean nothing to the reader, but something to others.
  void ignore_below(const std::string& prefix);
  [[nodiscard]] std::vector<std::string> names_below(const std::string& prefix) const;

  /// What read_weights() changed so far.
  [[nodiscard]] const RoundedValues& rounded() const { return rounded_; }
  /// Names that nobody has read, in order.
  [[nodiscard]] std::vector<std::string> unread() const;
  /// "did you mean" for a name that nobody has read, among those that were.
  [[nodiscard]] std::string nearest_read(const std::string& name) const;
  /// About the file, or about one array of it.
  void warn(const std::string& what) { warnings_.push_back({file_, what}); }
  void warn(const std::string& name, const std::string& what) {
    warnings_.push_back({where(name), what});
  }
  [[nodiscard]] const std::vector<Warning>& warnings() const { return warnings_; }

  /// "<file>: array "<name>"", the beginning of a message.
  [[nodiscard]] std::string where(const std::string& name) const;
  /// Throws the InputError of an array that is not what was expected, or missing.
  [[noreturn]] void refuse(const std::string& name, const std::string& expected) const;

 private:
  const Array& require(const std::string& name, const std::string& expected);

  const Arrays* arrays_;
  std::string file_;
  std::set<std::string> read_, expected_;
  RoundedValues rounded_;
  std::vector<Warning> warnings_;
};

}  // namespace qloom::data
