// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What every C++ method uses: errors, parameters, state arrays, the host's services.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <qloom/abi.h>
#include <qloom/geometry.hpp>

namespace qloom::sdk {

/// Text of all arguments, one after the other.
template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// What a method throws from [setup] and [update] functions; becomes a status and a message.
class Error : public std::exception {
 public:
  Error(qloom_status code, std::string message) : code_(code), message_(std::move(message)) {}
  [[nodiscard]] qloom_status code() const noexcept { return code_; }
  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }

 private:
  qloom_status code_;
  std::string message_;
};

inline void write_error(qloom_error* error, qloom_status code, const char* message) noexcept {
  if (error == nullptr) return;
  error->code = code;
  std::strncpy(error->message, message, sizeof(error->message) - 1);
  error->message[sizeof(error->message) - 1] = '\0';
}

/// Runs `body` and turns whatever it throws into a status and a message.
template <class Body>
qloom_status guarded(qloom_error* error, Body&& body) noexcept {
  try {
    body();
    return QLOOM_OK;
  } catch (const Error& e) {
    write_error(error, e.code(), e.what());
    return e.code();
  } catch (const std::bad_alloc&) {
    write_error(error, QLOOM_E_NO_MEMORY, "out of memory");
    return QLOOM_E_NO_MEMORY;
  } catch (const std::exception& e) {
    write_error(error, QLOOM_E_INTERNAL, e.what());
    return QLOOM_E_INTERNAL;
  } catch (...) {
    write_error(error, QLOOM_E_INTERNAL, "an exception of unknown type");
    return QLOOM_E_INTERNAL;
  }
}

/// The host's service tables, fetched once when the library is loaded.
struct Services {
  const qloom_kernels* kernels = nullptr;
  const qloom_parallel* parallel = nullptr;
  const qloom_params_api* params = nullptr;
  const qloom_state_api* state = nullptr;
  const qloom_run_api* run = nullptr;
  const qloom_tensors_api* tensors = nullptr;
  // NULL where the host has none
  const qloom_methods_api* methods = nullptr;
  const qloom_linear_api* linear = nullptr;
};
inline Services services;

[[nodiscard]] inline const qloom_kernels& kernels() noexcept { return *services.kernels; }

/// body(i) for i in 0 .. count - 1, each once, on the host's threads, in no order.
template <class Body>
void for_each(std::uint64_t count, Body body) noexcept {
  services.parallel->for_each(
      count, [](void* context, std::uint64_t i) noexcept { (*static_cast<Body*>(context))(i); },
      &body);
}

/// One figure (QLOOM_REDUCE_*) per group of x; center as the figure needs it.
[[nodiscard]] inline std::vector<double> reduce(const qloom_tensor& x, std::uint32_t figure,
                                                const double* center = nullptr) {
  std::vector<double> out(x.groups);
  kernels().reduce(&x, figure, center, out.data());
  return out;
}

/// Mean of each group and its deviation, the root of the mean square about it; 0 without elements.
struct Moments {
  std::vector<double> mean, deviation;
};
[[nodiscard]] inline Moments moments(const qloom_tensor& x) {
  const std::vector<double> count = reduce(x, QLOOM_REDUCE_COUNT);
  Moments found{reduce(x, QLOOM_REDUCE_SUM), {}};
  for (std::size_t g = 0; g < count.size(); ++g) found.mean[g] /= count[g] > 0 ? count[g] : 1.0;
  found.deviation = reduce(x, QLOOM_REDUCE_SQUARE_DEVIATION_SUM, found.mean.data());
  for (std::size_t g = 0; g < count.size(); ++g) {
    found.deviation[g] = std::sqrt(found.deviation[g] / (count[g] > 0 ? count[g] : 1.0));
  }
  return found;
}

/// The call with another rounding rule: that of a method whose rounding is its own.
[[nodiscard]] inline qloom_call with_rounding(const qloom_call& call, std::uint32_t rule,
                                              std::uint32_t argument = 0) noexcept {
  qloom_call own = call;
  own.rounding = {nullptr, nullptr, rule, argument};
  return own;
}

/// Of each group's finite values in ascending order, of their magnitudes if abs, those number
/// ranks[groups][count], from 0: exact. NaN past the last one.
[[nodiscard]] inline std::vector<double> order_statistics(const qloom_tensor& x, bool abs,
                                                          const std::vector<std::uint64_t>& ranks) {
  std::vector<double> out(ranks.size());
  kernels().order_statistics(&x, abs ? 1 : 0, ranks.data(), ranks.size() / x.groups, out.data());
  return out;
}

/// Largest magnitude per group of the tensor whose extremes prepare() got
/// (QLOOM_QUANTIZER_WANTS_EXTREMES); 0 for a group without elements.
[[nodiscard]] inline std::vector<double> largest_magnitudes(const qloom_prepare& in) {
  std::vector<double> out(in.x.groups);
  for (std::size_t g = 0; g < out.size(); ++g) {
    const auto [lo, hi] = in.ranges[g];
    if (lo <= hi) out[g] = -lo > hi ? -lo : hi;
  }
  return out;
}

/// The validated parameters of the method, defaults filled in. A pointer that the manifest's
/// schema does not promise is an Error.
class Params {
 public:
  explicit Params(const qloom_params* params) : params_(params) {}
  [[nodiscard]] const qloom_params* handle() const noexcept { return params_; }

  [[nodiscard]] double number(const char* pointer) const {
    double value = 0;
    require(services.params->get_f64(params_, pointer, &value), pointer, "a number");
    return value;
  }
  [[nodiscard]] std::int64_t integer(const char* pointer) const {
    std::int64_t value = 0;
    require(services.params->get_i64(params_, pointer, &value), pointer, "an integer");
    return value;
  }
  [[nodiscard]] bool flag(const char* pointer) const {
    std::int32_t value = 0;
    require(services.params->get_bool(params_, pointer, &value), pointer, "true or false");
    return value != 0;
  }
  [[nodiscard]] std::string text(const char* pointer) const {
    const char* value = nullptr;
    require(services.params->get_string(params_, pointer, &value), pointer, "a string");
    return value;
  }
  [[nodiscard]] bool has(const char* pointer) const {
    double number = 0;
    std::int32_t flag = 0;
    const char* text = nullptr;
    std::uint64_t size = 0;
    const auto* api = services.params;
    return api->get_f64(params_, pointer, &number) == QLOOM_OK ||
           api->get_bool(params_, pointer, &flag) == QLOOM_OK ||
           api->get_string(params_, pointer, &text) == QLOOM_OK ||
           api->get_size(params_, pointer, &size) == QLOOM_OK;
  }
  /// Is the value a number, or true or false? For parameters that also take a word.
  [[nodiscard]] bool is_number(const char* pointer) const {
    double value = 0;
    return services.params->get_f64(params_, pointer, &value) == QLOOM_OK;
  }
  [[nodiscard]] bool is_flag(const char* pointer) const {
    std::int32_t value = 0;
    return services.params->get_bool(params_, pointer, &value) == QLOOM_OK;
  }
  /// The number, or `otherwise` where the parameter is missing or a word.
  [[nodiscard]] double number_or(const char* pointer, double otherwise) const {
    return is_number(pointer) ? number(pointer) : otherwise;
  }
  /// Number of elements of an array.
  [[nodiscard]] std::uint64_t size(const char* pointer) const {
    std::uint64_t value = 0;
    require(services.params->get_size(params_, pointer, &value), pointer, "an array");
    return value;
  }

 private:
  static void require(qloom_status status, const char* pointer, const char* expected) {
    if (status != QLOOM_OK) throw Error(QLOOM_E_INVALID, concat(pointer, ": expected ", expected));
  }
  const qloom_params* params_;
};

template <class T>
constexpr std::uint32_t dtype_of() {
  if constexpr (std::is_same_v<T, float>) return QLOOM_F32;
  if constexpr (std::is_same_v<T, double>) return QLOOM_F64;
  if constexpr (std::is_same_v<T, std::int32_t>) return QLOOM_I32;
  if constexpr (std::is_same_v<T, std::int64_t>) return QLOOM_I64;
  if constexpr (std::is_same_v<T, std::uint8_t>) return QLOOM_U8;
}

/// A method with state writes one function, used both ways:
///   template <class Archive> void state(Archive& a) { a("alpha", alpha_); a("lo", lo_); }
/// Values may be float, double, int32, int64, uint8 or a std::vector of them. A missing array
/// keeps the present value.
class StateWriter {
 public:
  explicit StateWriter(qloom_writer* writer) : writer_(writer) {}
  [[nodiscard]] qloom_writer* handle() const noexcept { return writer_; }
  template <class T>
  void operator()(const char* name, const std::vector<T>& values) {
    put(name, values.data(), values.size());
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(const char* name, const T& value) { put(name, &value, 1); }

 private:
  template <class T>
  void put(const char* name, const T* data, std::size_t count) {
    const qloom_status status = services.state->put(writer_, name, dtype_of<T>(), data, count);
    if (status != QLOOM_OK) throw Error(status, concat("state \"", name, "\" was not written"));
  }
  qloom_writer* writer_;
};

class StateReader {
 public:
  explicit StateReader(const qloom_reader* reader) : reader_(reader) {}
  [[nodiscard]] const qloom_reader* handle() const noexcept { return reader_; }
  /// `step` is run once all values are read, and may fail: what it does is undone by no one.
  void at_end(std::function<void()> step) { at_end_.push_back(std::move(step)); }
  void finish() const {
    for (const auto& step : at_end_) step();
  }
  template <class T>
  void operator()(const char* name, std::vector<T>& values) {
    const void* data = nullptr;
    std::uint64_t count = 0;
    if (services.state->get(reader_, name, dtype_of<T>(), &data, &count) != QLOOM_OK) return;
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), data, count * sizeof(T));
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(const char* name, T& value) {
    const void* data = nullptr;
    std::uint64_t count = 0;
    if (services.state->get(reader_, name, dtype_of<T>(), &data, &count) != QLOOM_OK) return;
    if (count != 1) {
      throw Error(QLOOM_E_STATE, concat("state \"", name, "\": expected 1 value, found ", count));
    }
    std::memcpy(&value, data, sizeof(T));
  }

 private:
  const qloom_reader* reader_;
  std::vector<std::function<void()>> at_end_;
};

/// Index of each group's element of largest magnitude, the first of equals; x.n for a group without
/// a number.
[[nodiscard]] inline std::vector<std::uint64_t> places_of_largest_magnitudes(
    const qloom_tensor& x) {
  const std::vector<double> largest = reduce(x, QLOOM_REDUCE_ABS_MAX);
  std::vector<std::uint64_t> places(x.groups, x.n);
  for_each(x.groups, [&](std::uint64_t g) noexcept {
    for (std::uint64_t begin = g * x.inner; begin < x.n; begin += x.groups * x.inner) {
      const std::uint64_t end = begin + x.inner < x.n ? begin + x.inner : x.n;
      for (std::uint64_t i = begin; i < end && places[g] == x.n; ++i) {
        if (std::fabs(x.data[i]) == largest[g]) places[g] = i;
      }
      if (places[g] < x.n) return;
    }
  });
  return places;
}

/// Error QLOOM_E_NUMERIC with the first index when the tensor holds a NaN or an infinity.
inline void require_finite(const qloom_tensor& x) {
  double count = 0;
  const qloom_tensor flat{x.data, x.shape, x.rank, x.n, 1, 1, x.n};
  kernels().reduce(&flat, QLOOM_REDUCE_NONFINITE, nullptr, &count);
  if (count == 0) return;
  std::uint64_t i = 0;
  while (x.data[i] - x.data[i] == 0.0F) ++i;
  throw Error(QLOOM_E_NUMERIC,
              concat("element ", i, " is ", x.data[i], ", expected a finite value"));
}

/// Sum of |x| per group, with the error of require_finite() but without a pass of its own: finite
/// floats have a finite sum in double, others do not.
[[nodiscard]] inline std::vector<double> finite_abs_sums(const qloom_tensor& x) {
  std::vector<double> sums = reduce(x, QLOOM_REDUCE_ABS_SUM);
  for (const double sum : sums) {
    if (!std::isfinite(sum)) require_finite(x);
  }
  return sums;
}

/// Largest e with 2^e <= x. From the bits of x, so it is exact; x is positive and finite.
[[nodiscard]] inline int floor_log2(double x) noexcept {
  int exponent = 0;
  std::frexp(x, &exponent);  // x = f * 2^exponent, f in [0.5, 1)
  return exponent - 1;
}
/// 2^e as a normal float32: e from -126 to 127.
[[nodiscard]] inline float power_of_two(int e) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23);
}
/// Smallest e with x <= 2^e; as floor_log2.
[[nodiscard]] inline int ceil_log2(double x) noexcept {
  int exponent = 0;
  return std::frexp(x, &exponent) == 0.5 ? exponent - 1 : exponent;
}

/// dx = dy: the gradient of a rounding that is passed straight through. dx may be dy.
inline void pass_through(const float* dy, float* dx, std::uint64_t n) noexcept {
  if (dx != dy) std::memcpy(dx, dy, n * sizeof(float));
}

}  // namespace qloom::sdk
