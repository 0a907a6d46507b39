// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#pragma once

#include <qloom/kinds/base.hpp>

namespace qloom::sdk {

template <class T>
struct Quantizer;

/// Base of a class T of which each instance has a table of its own: that of the class, changed by
///   template <class T> void fit(qloom_quantizer& table) const;
class OwnTable {
 protected:
  template <class T>
  friend struct Quantizer;
  qloom_quantizer table_{};
};

/// Base of a class whose number of sums per group follows from its parameters or from what
/// prepare() finds, as that of centroids does.
class OwnSums : public OwnTable {
 public:
  explicit OwnSums(std::uint64_t sums_per_group) : sums_per_group_(sums_per_group) {}
  template <class T>
  void fit(qloom_quantizer& table) const noexcept {
    table.sums_per_group = sums_per_group_;
  }

 protected:
  /// In prepare().
  void set_sums_per_group(std::uint64_t count) noexcept {
    sums_per_group_ = table_.sums_per_group = count;
  }

 private:
  std::uint64_t sums_per_group_;
};

/// Quantizer from a class T with
///   explicit T(const Params&);
///   void prepare(const qloom_prepare&);
///   apply(const qloom_call&, const qloom_block&, const float* x, float* y) const noexcept;
/// where [pure] functions return void or a status, and optionally
///   static constexpr uint32_t kCaps;                        // QLOOM_QUANTIZER_*
///   void context(qloom_range_context&) const;               // the grid, for range estimators
///   encode(const qloom_call&, const qloom_block&, const float* x, int32_t* code) const noexcept;
///   decode(const qloom_block&, const int32_t* code, float* y) const noexcept;
///   void encoding(qloom_encoding&) const;                   // throw: not exportable
///   void backward_prepare(const qloom_tensor& x, const qloom_tensor& dy);
///   backward(const qloom_call&, const qloom_block&, const float* x, const float* dy, float* dx,
///            double* sums) const noexcept;                  // absent: straight through
///   static constexpr uint64_t kSumsPerGroup;                // size of sums per group, or where
///                                                           // it depends on parameters: OwnSums
///   bool learned(uint32_t index, qloom_learned& out);       // false past the last
///   void learned_gradients(const double* sums, uint64_t groups, float* const* gradients);
///   void after_update();
///   template <class Archive> void state(Archive&);
template <class T>
struct Quantizer {
  static constexpr const char* kKind = "qloom.quantizer/1";

  static qloom_status context(const void* self, qloom_range_context* out) noexcept {
    return detail::status_of([&] {
      if constexpr (requires(const T& t) { t.context(*out); }) {
        return detail::as<T>(self).context(*out);
      }
    });
  }
  static qloom_status prepare(void* self, const qloom_prepare* in, qloom_error* error) noexcept {
    return guarded(error, [&] { detail::as<T>(self).prepare(*in); });
  }
  static qloom_status apply(const void* self, const qloom_call* call, const qloom_block* block,
                            const float* x, float* y) noexcept {
    return detail::status_of([&] { return detail::as<T>(self).apply(*call, *block, x, y); });
  }
  static qloom_status encoding(const void* self, qloom_encoding* out) noexcept {
    if constexpr (requires(const T& t) { t.encoding(*out); }) {
      return guarded(nullptr, [&] { detail::as<T>(self).encoding(*out); });
    } else {
      return QLOOM_E_UNSUPPORTED;
    }
  }
  /// More than forty lines: the table of the kind, entry by entry.
  static constexpr qloom_quantizer table() {
    qloom_quantizer t{};
    t.struct_size = sizeof(qloom_quantizer);
    t.caps = detail::caps<T>();
    t.context = &context;
    t.prepare = &prepare;
    t.apply = &apply;
    t.encoding = &encoding;
    if constexpr (requires { T::kSumsPerGroup; }) t.sums_per_group = T::kSumsPerGroup;
    if constexpr (requires { &T::encode; }) {
      t.encode = [](const void* self, const qloom_call* call, const qloom_block* block,
                    const float* x, std::int32_t* code) noexcept -> qloom_status {
        return detail::status_of(
            [&] { return detail::as<T>(self).encode(*call, *block, x, code); });
      };
      t.decode = [](const void* self, const qloom_block* block, const std::int32_t* code,
                    float* y) noexcept -> qloom_status {
        return detail::status_of([&] { return detail::as<T>(self).decode(*block, code, y); });
      };
    }
    if constexpr (requires { &T::backward_prepare; }) {
      t.backward_prepare = [](void* self, const qloom_tensor* x, const qloom_tensor* dy,
                              qloom_error* error) noexcept -> qloom_status {
        return guarded(error, [&] { detail::as<T>(self).backward_prepare(*x, *dy); });
      };
    }
    if constexpr (requires { &T::backward; }) {
      t.backward = [](const void* self, const qloom_call* call, const qloom_block* block,
                      const float* x, const float* dy, float* dx,
                      double* sums) noexcept -> qloom_status {
        return detail::status_of(
            [&] { return detail::as<T>(self).backward(*call, *block, x, dy, dx, sums); });
      };
    }
    if constexpr (requires { &T::learned; }) {
      t.learned = [](void* self, std::uint32_t index, qloom_learned* out) noexcept -> qloom_status {
        out->struct_size = sizeof(qloom_learned);
        out->rate_factor = 1.0;
        out->decay_factor = 0.0;
        return detail::as<T>(self).learned(index, *out) ? QLOOM_OK : QLOOM_E_UNSUPPORTED;
      };
      t.learned_gradients = [](void* self, const double* sums, std::uint64_t groups,
                               float* const* gradients, qloom_error* error) noexcept {
        return guarded(error,
                       [&] { detail::as<T>(self).learned_gradients(sums, groups, gradients); });
      };
    }
    if constexpr (requires { &T::after_update; }) {
      t.after_update = [](void* self, qloom_error* error) noexcept -> qloom_status {
        return guarded(error, [&] { detail::as<T>(self).after_update(); });
      };
    }
    return t;
  }
  static constexpr qloom_quantizer kTable = table();
  static qloom_status create(const qloom_host*, const qloom_params* params, const qloom_site* site,
                             qloom_instance* out, qloom_error* error) noexcept {
    const qloom_status status = detail::Base<T>::create(params, site, &kTable, out, error);
    if constexpr (std::is_base_of_v<OwnTable, T>) {
      if (status != QLOOM_OK) return status;
      T& self = detail::as<T>(out->self);
      OwnTable& own = self;
      own.table_ = kTable;
      self.template fit<T>(own.table_);
      out->ops = &own.table_;
    }
    return status;
  }
};

/// One method id whose parameters choose between classes, for instance `dorefa` with its "part":
/// the first T for which T::accepts(const Params&) holds is created, with the capabilities and
/// functions of that class.
template <class... Classes>
struct QuantizerVariants {
  static constexpr const char* kKind = "qloom.quantizer/1";

  static qloom_status create(const qloom_host* host, const qloom_params* params,
                             const qloom_site* site, qloom_instance* out,
                             qloom_error* error) noexcept {
    return detail::create_variant<Quantizer, Classes...>(host, params, site, out, error);
  }
};

/// apply() by way of the method's encode() and decode(): the same bits by construction.
template <class Method>
qloom_status apply_by_codes(const Method& method, const qloom_call& call, const qloom_block& block,
                            const float* x, float* y) noexcept {
  return for_each_piece(block, [&](const qloom_block& piece, std::uint64_t i) {
    std::int32_t code[kPieceElements];
    const qloom_status status = method.encode(call, piece, x + i, code);
    if (status == QLOOM_OK) method.decode(piece, code, y + i);
    return status;
  });
}

}  // namespace qloom::sdk
