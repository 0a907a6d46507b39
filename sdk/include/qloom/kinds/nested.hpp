// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A method inside a method. The manifest marks the parameter that names it:
//
//   "quantizer": { "$ref": "qloom:parameters#/quantizer" }
//
// and the class derives from NestedQuantizer, which does what the quantizer inside does; what the
// class has itself stands in front of that:
//
//   class Negated : public NestedQuantizer {
//    public:
//     Negated(const Params& params, const qloom_site* site)
//         : NestedQuantizer(params, "/quantizer", site) {}
//     qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
//                        float* y) const noexcept;  // -NestedQuantizer::apply(...)
//   };
#pragma once

#include <memory>
#include <string>
#include <type_traits>

#include <qloom/kinds/quantizer.hpp>

namespace qloom::sdk {

/// A method of the kind whose table is Table, from the parameter at `pointer`. Copies are the same
/// method; the last one ends it.
template <class Table>
class NestedMethod {
 public:
  /// For the constructor of the method around it alone.
  NestedMethod(const Params& params, const char* pointer, const qloom_site* site)
      : name_(pointer + 1) {
    if (services.methods == nullptr) {
      throw Error(QLOOM_E_UNSUPPORTED, "the host has no qloom.methods/1");
    }
    auto made = std::make_unique<qloom_instance>();
    made->struct_size = sizeof(qloom_instance);
    call([&](qloom_error* error) {
      return services.methods->create(params.handle(), pointer, site, made.get(), error);
    });
    instance_ = {made.release(), [](qloom_instance* instance) {
                   instance->base->destroy(instance->self);
                   delete instance;
                 }};
  }
  [[nodiscard]] const Table& ops() const noexcept {
    return *static_cast<const Table*>(instance_->ops);
  }
  [[nodiscard]] void* self() const noexcept { return instance_->self; }

  /// body(error) of a function of the method; an Error where it is refused.
  template <class Body>
  static void call(const Body& body) {
    qloom_error error{};
    error.struct_size = sizeof error;
    const qloom_status status = body(&error);
    if (status != QLOOM_OK) throw Error(status, error.message);
  }
  /// Its state, as arrays "<parameter>/...". It is loaded behind the values of the method around
  /// it, so that a refusal changes neither.
  void state(StateWriter& archive) const {
    call([&](qloom_error* error) {
      return services.methods->save(archive.handle(), name_.c_str(), instance_.get(), error);
    });
  }
  void state(StateReader& archive) const {
    archive.at_end([*this, reader = archive.handle()] {
      call([&](qloom_error* error) {
        return services.methods->load(reader, name_.c_str(), instance_.get(), error);
      });
    });
  }

 private:
  std::string name_;
  std::shared_ptr<qloom_instance> instance_;
};

/// Base of a quantizer around another one: every function is that of the quantizer inside, with the
/// same bits. The instance has the capabilities of both; an entry that neither has is empty. Codes
/// are those of the quantizer inside or none. More than twelve functions: one for each entry of the
/// kind's table, and what fits the table to the quantizer inside.
class NestedQuantizer : public OwnTable {
 public:
  NestedQuantizer(const Params& params, const char* pointer, const qloom_site* site)
      : inner_(params, pointer, site) {}

  qloom_status context(qloom_range_context& out) const noexcept {
    return ops().context == nullptr ? QLOOM_OK : ops().context(inner_.self(), &out);
  }
  void prepare(const qloom_prepare& in) {
    inner_.call([&](qloom_error* error) { return ops().prepare(inner_.self(), &in, error); });
    table_.sums_per_group = ops().sums_per_group;  // which may follow from the tensor
  }
  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    return ops().apply(inner_.self(), &call, &block, x, y);
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    return ops().encode(inner_.self(), &call, &block, x, code);
  }
  qloom_status decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    return ops().decode(inner_.self(), &block, code, y);
  }
  void encoding(qloom_encoding& out) const {
    const qloom_status status = ops().encoding(inner_.self(), &out);
    if (status != QLOOM_OK) throw Error(status, "the quantizer inside has no encoding");
  }
  void backward_prepare(const qloom_tensor& x, const qloom_tensor& dy) {
    inner_.call(
        [&](qloom_error* error) { return ops().backward_prepare(inner_.self(), &x, &dy, error); });
  }
  qloom_status backward(const qloom_call& call, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    return ops().backward(inner_.self(), &call, &block, x, dy, dx, sums);
  }
  bool learned(std::uint32_t index, qloom_learned& out) {
    return ops().learned(inner_.self(), index, &out) == QLOOM_OK;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    inner_.call([&](qloom_error* error) {
      return ops().learned_gradients(inner_.self(), sums, groups, gradients, error);
    });
  }
  void after_update() {
    inner_.call([&](qloom_error* error) { return ops().after_update(inner_.self(), error); });
  }
  template <class Archive>
  void state(Archive& archive) {
    inner_.state(archive);
  }
  /// Has the quantizer inside codes?
  [[nodiscard]] bool encodes() const noexcept { return ops().encode != nullptr; }

  /// The table of an instance of T.
  template <class T>
  void fit(qloom_quantizer& table) const noexcept {
    using Own = NestedQuantizer;
    const qloom_quantizer& inside = ops();
    table.caps |= inside.caps;
    table.sums_per_group = inside.sums_per_group;
    if (inside.encode == nullptr) table.encode = nullptr;
    if (inside.decode == nullptr) table.decode = nullptr;
    const auto lacks = [](auto entry, auto of_class, auto own) {
      return entry == nullptr && std::is_same_v<decltype(of_class), decltype(own)>;
    };
    if (lacks(inside.backward_prepare, &T::backward_prepare, &Own::backward_prepare)) {
      table.backward_prepare = nullptr;
    }
    if (lacks(inside.backward, &T::backward, &Own::backward)) table.backward = nullptr;
    if (lacks(inside.learned, &T::learned, &Own::learned)) table.learned = nullptr;
    if (lacks(inside.learned_gradients, &T::learned, &Own::learned)) {
      table.learned_gradients = nullptr;
    }
    if (lacks(inside.after_update, &T::after_update, &Own::after_update)) {
      table.after_update = nullptr;
    }
  }

 protected:
  [[nodiscard]] const qloom_quantizer& ops() const noexcept { return inner_.ops(); }

 private:
  NestedMethod<qloom_quantizer> inner_;
};

}  // namespace qloom::sdk
