// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <utility>

#include <fmt/format.h>

#include "host/json/printable.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/registry/services.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {

qloom_error empty_error() {
  qloom_error error{};
  error.struct_size = sizeof(qloom_error);
  return error;
}

void check(const Method& method, const char* what, qloom_status status, const qloom_error& error) {
  require_floating_point();
  if (status == QLOOM_OK) return;
  static constexpr const char* kWords[] = {
      "done",         "refused",          "not supported",      "out of memory",
      "out of order", "value not finite", "state does not fit", "internal error"};
  std::string text = json::printable(error.message);
  if (text.empty()) {
    text = status > 0 && status <= QLOOM_E_INTERNAL ? kWords[status] : "unknown failure";
    text += fmt::format(" (status {})", status);
  }
  throw Refusal(fmt::format("{} \"{}\": {}: {}", method.kind, method.id, what, text), status);
}

Instance::~Instance() {
  if (raw_.self == nullptr) return;
  const CallRecord call(*method_, "destroy");
  raw_.base->destroy(raw_.self);
}

Instance::Instance(Instance&& other) noexcept
    : method_(std::exchange(other.method_, nullptr)),
      raw_(std::exchange(other.raw_, qloom_instance{})) {}

Instance& Instance::operator=(Instance&& other) noexcept {
  std::swap(method_, other.method_);
  std::swap(raw_, other.raw_);
  return *this;
}

data::Arrays Instance::save() const {
  data::Arrays arrays;
  if (raw_.base->save == nullptr) return arrays;
  qloom_writer writer{&arrays};
  qloom_error error = empty_error();
  check(*method_, "save",
        recorded(*method_, "save", "", [&] { return raw_.base->save(raw_.self, &writer, &error); }),
        error);
  return arrays;
}

void Instance::load(const data::Arrays& state, std::uint32_t version) {
  if (raw_.base->load == nullptr) {
    if (state.empty()) return;
    throw RunError(
        fmt::format("{} \"{}\": load: the method keeps no state, the checkpoint has \"{}\"",
                    method_->kind, method_->id, state.begin()->first));
  }
  const qloom_reader reader{&state};
  qloom_error error = empty_error();
  check(*method_, "load",
        recorded(*method_, "load", "",
                 [&] { return raw_.base->load(raw_.self, &reader, version, &error); }),
        error);
}

void Instance::load(data::ArrayReader& reader, const std::string& prefix, std::uint32_t version) {
  for (const auto& [name, own] : save()) {
    if (reader.contains(prefix + name)) reader.require_type(prefix + name, own);
  }
  data::Arrays arrays = reader.read_below(prefix);
  std::erase_if(arrays, [](const auto& entry) { return entry.first.starts_with('@'); });
  try {
    load(arrays, version);
  } catch (const RunError& error) {
    throw InputError(fmt::format("{}: arrays \"{}*\": {}", reader.file(), prefix, error.what()));
  }
}

}  // namespace qloom::registry
