// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// The service "qloom.methods/1": a method makes another one, whose state is part of its own.
#include <cstring>

#include <fmt/format.h>

#include "host/registry/services.hpp"
#include "host/tensor/error.hpp"

namespace qloom::registry {
namespace {

/// Its number among the arrays of a method inside another one; the host's own.
constexpr const char* kInnerVersion = "@version";

/// Why a call was refused: a status and its words.
struct Refused {
  qloom_status status;
  std::string message;
};

qloom_status in_words(qloom_error* error, const Refused& refused) noexcept {
  if (error != nullptr) {
    error->code = refused.status;
    std::strncpy(error->message, refused.message.c_str(), sizeof error->message - 1);
    error->message[sizeof error->message - 1] = '\0';
  }
  return refused.status;
}

/// body() with whatever it throws as a status and a message.
template <class Body>
qloom_status attempted(qloom_error* error, const Body& body) noexcept {
  try {
    try {
      body();
      return QLOOM_OK;
    } catch (const Refused& refused) {
      return in_words(error, refused);
    } catch (const InputError& refused) {
      return in_words(error, {QLOOM_E_INVALID, refused.what()});
    } catch (const registry::Refusal& refused) {
      return in_words(error, {refused.status(), refused.what()});
    } catch (const RunError& refused) {
      return in_words(error, {QLOOM_E_INTERNAL, refused.what()});
    }
  } catch (const std::exception&) {
    return QLOOM_E_NO_MEMORY;
  }
}

/// The parameter's name where `pointer` leads to one that the manifest marks.
std::string marked_name(const qloom_params& params, const char* pointer) {
  const std::string text = pointer == nullptr ? "" : pointer;
  if (params.method == nullptr) throw Refused{QLOOM_E_ORDER, "is for create() alone"};
  const auto found = text.starts_with('/') ? params.method->inner.find(text.substr(1))
                                           : params.method->inner.end();
  if (found != params.method->inner.end()) return found->first;
  throw Refused{QLOOM_E_INVALID,
                fmt::format("{}: is no parameter that the manifest of \"{}\" marks with "
                            "\"x-qloom-kind\"",
                            text.empty() ? "\"\"" : text, params.method->id)};
}

qloom_status create_inner(const qloom_params* params, const char* pointer, const qloom_site* site,
                          qloom_instance* out, qloom_error* error) noexcept {
  return attempted(error, [&] {
    const std::string name = marked_name(*params, pointer);
    if (!params->json->contains(name) || (*params->json)[name].is_null()) {
      throw Refused{QLOOM_E_INVALID, fmt::format("{}: names no method", pointer)};
    }
    Json inner = (*params->json)[name];
    const auto id = inner.at("plugin").get<std::string>();
    inner.erase("plugin");
    const Method& method =
        params->registry->require(params->method->inner.at(name), id, std::string(pointer));
    try {
      *out = params->registry->create(method, inner, site).release();
    } catch (const InputError& refused) {
      throw Refused{QLOOM_E_INVALID, fmt::format("{}: {}", pointer, refused.what())};
    }
  });
}

std::string prefix_of(const char* name) {
  if (name == nullptr || *name == '\0') {
    throw Refused{QLOOM_E_INVALID, "a method's state needs a name"};
  }
  return std::string(name) + "/";
}

qloom_status save_inner(qloom_writer* writer, const char* name, const qloom_instance* instance,
                        qloom_error* error) noexcept {
  return attempted(error, [&] {
    const std::string prefix = prefix_of(name);
    if (instance->base->save == nullptr) return;
    data::Arrays own;
    qloom_writer into{&own};
    qloom_error inside = empty_error();
    const qloom_status status = instance->base->save(instance->self, &into, &inside);
    if (status != QLOOM_OK) throw Refused{status, inside.message};
    own[kInnerVersion] = {
        {1}, std::vector<std::int32_t>{static_cast<std::int32_t>(instance->base->state_version)}};
    for (const auto& [key, array] : own) {
      if (writer->arrays->contains(prefix + key)) {
        throw Refused{QLOOM_E_STATE, fmt::format("\"{}{}\" is written twice", prefix, key)};
      }
    }
    for (auto& [key, array] : own) (*writer->arrays)[prefix + key] = std::move(array);
  });
}

/// What save() wrote below the prefix, without the version, which goes to `version`.
data::Arrays arrays_below(const data::Arrays& all, const std::string& prefix,
                          std::uint32_t& version) {
  data::Arrays own;
  for (auto it = all.lower_bound(prefix); it != all.end() && it->first.starts_with(prefix); ++it) {
    own[it->first.substr(prefix.size())] = it->second;
  }
  const auto found = own.find(kInnerVersion);
  if (found == own.end()) return own;
  const auto* number = std::get_if<std::vector<std::int32_t>>(&found->second.values);
  if (number == nullptr || number->size() != 1 || number->front() < 0) {
    throw Refused{QLOOM_E_STATE,
                  fmt::format("\"{}{}\": expected one number", prefix, kInnerVersion)};
  }
  version = static_cast<std::uint32_t>(number->front());
  own.erase(found);
  return own;
}

qloom_status load_inner(const qloom_reader* reader, const char* name, qloom_instance* instance,
                        qloom_error* error) noexcept {
  return attempted(error, [&] {
    const std::string prefix = prefix_of(name);
    std::uint32_t version = instance->base->state_version;
    const data::Arrays own = arrays_below(*reader->arrays, prefix, version);
    if (instance->base->load == nullptr) {
      if (own.empty()) return;
      throw Refused{QLOOM_E_STATE, fmt::format("the method keeps no state, there is \"{}{}\"",
                                               prefix, own.begin()->first)};
    }
    const qloom_reader inner{&own};
    qloom_error inside = empty_error();
    const qloom_status status = instance->base->load(instance->self, &inner, version, &inside);
    if (status != QLOOM_OK) throw Refused{status, inside.message};
  });
}

}  // namespace

const qloom_methods_api& methods_service() {
  static constexpr qloom_methods_api kMethods{sizeof(qloom_methods_api), 0, &create_inner,
                                              &save_inner, &load_inner};
  return kMethods;
}

}  // namespace qloom::registry
