// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/services.hpp"

#include <atomic>
#include <cstring>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "host/data/streams.hpp"
#include "host/json/printable.hpp"
#include "host/kernels/kernels.hpp"
#include "host/registry/calls/call_record.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::registry {
namespace {

// ---- qloom.parallel/1
void parallel_for_each(std::uint64_t count, void (*body)(void*, std::uint64_t) noexcept,
                       void* context) noexcept {
  const CallRecord* const caller = CallRecord::innermost();
  qloom::for_each(count, [=](std::uint64_t i) {
    const CallRecord call(caller);
    body(context, i);
  });
}
constexpr qloom_parallel kParallel{sizeof(qloom_parallel), 0, &parallel_for_each};

// ---- qloom.params/1

/// The value at the pointer, or null when there is none.
const Json* at(const qloom_params* params, const char* pointer) noexcept {
  try {
    const Json::json_pointer where{std::string(pointer)};
    return params->json->contains(where) ? &params->json->at(where) : nullptr;
  } catch (const std::exception&) {  // no JSON pointer, or out of memory
    return nullptr;
  }
}

qloom_status get_i64(const qloom_params* params, const char* pointer, std::int64_t* out) noexcept {
  const Json* value = at(params, pointer);
  if (value == nullptr || !value->is_number_integer()) return QLOOM_E_INVALID;
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > kMost) return QLOOM_E_INVALID;
  *out = value->get<std::int64_t>();
  return QLOOM_OK;
}
qloom_status get_f64(const qloom_params* params, const char* pointer, double* out) noexcept {
  const Json* value = at(params, pointer);
  if (value == nullptr || !value->is_number()) return QLOOM_E_INVALID;
  *out = value->get<double>();
  return QLOOM_OK;
}
qloom_status get_bool(const qloom_params* params, const char* pointer, std::int32_t* out) noexcept {
  const Json* value = at(params, pointer);
  if (value == nullptr || !value->is_boolean()) return QLOOM_E_INVALID;
  *out = value->get<bool>() ? 1 : 0;
  return QLOOM_OK;
}
qloom_status get_string(const qloom_params* params, const char* pointer,
                        const char** out) noexcept {
  const Json* value = at(params, pointer);
  if (value == nullptr || !value->is_string()) return QLOOM_E_INVALID;
  *out = value->get_ptr<const std::string*>()->c_str();
  return QLOOM_OK;
}
qloom_status get_size(const qloom_params* params, const char* pointer,
                      std::uint64_t* out) noexcept {
  const Json* value = at(params, pointer);
  if (value == nullptr || !value->is_structured()) return QLOOM_E_INVALID;
  *out = value->size();
  return QLOOM_OK;
}
constexpr qloom_params_api kParams{
    sizeof(qloom_params_api), 0, &get_i64, &get_f64, &get_bool, &get_string, &get_size};

// ---- qloom.state/1
template <class T>
data::Array copy_of(const void* values, std::uint64_t count) {
  std::vector<T> copy(count);
  if (count > 0) std::memcpy(copy.data(), values, count * sizeof(T));
  return {{static_cast<std::int64_t>(count)}, std::move(copy)};
}

qloom_status put(qloom_writer* writer, const char* key, std::uint32_t dtype, const void* values,
                 std::uint64_t count) noexcept {
  if (key == nullptr || *key == '\0' || (values == nullptr && count > 0)) return QLOOM_E_INVALID;
  try {
    if (writer->arrays->contains(key)) return QLOOM_E_STATE;  // written twice
    data::Array& array = (*writer->arrays)[key];
    switch (dtype) {
      case QLOOM_F32:
        array = copy_of<float>(values, count);
        return QLOOM_OK;
      case QLOOM_F64:
        array = copy_of<double>(values, count);
        return QLOOM_OK;
      case QLOOM_I32:
        array = copy_of<std::int32_t>(values, count);
        return QLOOM_OK;
      case QLOOM_I64:
        array = copy_of<std::int64_t>(values, count);
        return QLOOM_OK;
      case QLOOM_U8:
        array = copy_of<std::uint8_t>(values, count);
        return QLOOM_OK;
    }
    writer->arrays->erase(key);  // no type of array
    return QLOOM_E_INVALID;
  } catch (const std::exception&) {
    return QLOOM_E_NO_MEMORY;
  }
}

template <class T>
qloom_status borrow(const data::Array& array, const void** values, std::uint64_t* count) {
  const auto* typed = std::get_if<std::vector<T>>(&array.values);
  if (typed == nullptr) return QLOOM_E_STATE;
  *values = typed->data();
  *count = typed->size();
  return QLOOM_OK;
}

qloom_status get(const qloom_reader* reader, const char* key, std::uint32_t dtype,
                 const void** values, std::uint64_t* count) noexcept {
  try {
    const auto found = reader->arrays->find(key);
    if (found == reader->arrays->end()) return QLOOM_E_STATE;
    switch (dtype) {
      case QLOOM_F32:
        return borrow<float>(found->second, values, count);
      case QLOOM_F64:
        return borrow<double>(found->second, values, count);
      case QLOOM_I32:
        return borrow<std::int32_t>(found->second, values, count);
      case QLOOM_I64:
        return borrow<std::int64_t>(found->second, values, count);
      case QLOOM_U8:
        return borrow<std::uint8_t>(found->second, values, count);
    }
    return QLOOM_E_STATE;  // no type of array
  } catch (const std::exception&) {
    return QLOOM_E_NO_MEMORY;
  }
}
constexpr qloom_state_api kState{sizeof(qloom_state_api), 0, &put, &get};

// ---- the table of tables
const void* service(const qloom_host* host, const char* id) noexcept {
  const std::string_view name = id == nullptr ? "" : id;
  if (name == "qloom.kernels/1") return host->impl;
  if (name == "qloom.parallel/1") return &kParallel;
  if (name == "qloom.params/1") return &kParams;
  if (name == "qloom.state/1") return &kState;
  if (name == "qloom.methods/1") return &methods_service();
  if (name == "qloom.run/1") return run_services().run;
  if (name == "qloom.tensors/1") return run_services().tensors;
  if (name == "qloom.linear/1") return &linear_service();
  return nullptr;
}

std::atomic<LogSink> log_sink{nullptr};

void log(const qloom_host*, std::int32_t level, const char* utf8) noexcept {
  if (const LogSink sink = log_sink.load(); sink != nullptr) return sink(level, utf8);
  constexpr std::int32_t kWarning = 3;  // 0 trace .. 4 error
  if (level < kWarning || utf8 == nullptr) return;
  try {
    data::say("{}: {}\n", level == kWarning ? "warning" : "error", json::printable(utf8));
  } catch (const std::exception&) {  // out of memory: the text is lost, the work is not
  }
}

}  // namespace

void set_log(LogSink sink) { log_sink = sink; }

const qloom_host& host_services() {
  // impl holds the kernel table; the plugin gets it as const.
  static const qloom_host host{sizeof(qloom_host),
                               QLOOM_ABI_MINOR,
                               const_cast<qloom_kernels*>(&kernels::table()),
                               "qloom",
                               version(),
                               &service,
                               &log};
  return host;
}

}  // namespace qloom::registry
