// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/registry/tables.hpp"

#include <initializer_list>
#include <utility>

#include <fmt/format.h>

namespace qloom::registry {
namespace {

using Slots = std::initializer_list<std::pair<const char*, bool>>;

std::string first_missing(const std::string& table, Slots slots) {
  for (const auto& [name, is_there] : slots) {
    if (!is_there) return fmt::format("the {} table has no {}()", table, name);
  }
  return {};
}

std::string truncated(const std::string& table, std::uint32_t found, std::size_t needed) {
  return fmt::format("the {} table has struct_size {}, this host needs {}", table, found, needed);
}

std::string fault(const std::string& id, const qloom_rounding& t) {
  return first_missing(id, {{"round", t.round != nullptr}});
}
std::string fault(const std::string& id, const qloom_range_estimator& t) {
  if (t.passes == 0) return fmt::format("the {} table asks for 0 passes", id);
  return first_missing(id, {{"begin", t.begin != nullptr},
                            {"observe", t.observe != nullptr},
                            {"end", t.end != nullptr},
                            {"ranges", t.ranges != nullptr}});
}
std::string fault(const std::string& id, const qloom_quantizer& t) {
  const std::string missing = first_missing(
      id, {{"context", t.context != nullptr},
           {"prepare", t.prepare != nullptr},
           {"apply", t.apply != nullptr},
           {"encoding", t.encoding != nullptr},
           {"learned_gradients", t.learned == nullptr || t.learned_gradients != nullptr},
           {"backward_prepare",
            (t.caps & QLOOM_QUANTIZER_WHOLE_BACKWARD) == 0 || t.backward_prepare != nullptr}});
  if (!missing.empty()) return missing;
  if ((t.encode == nullptr) != (t.decode == nullptr)) {
    return fmt::format("the {} table has only one of encode() and decode()", id);
  }
  return {};
}
std::string fault(const std::string& id, const qloom_norm& t) {
  return first_missing(id, {{"begin", t.begin != nullptr},
                            {"prepare", t.prepare != nullptr},
                            {"apply", t.apply != nullptr},
                            {"backward_sums", t.backward_sums != nullptr},
                            {"backward_prepare", t.backward_prepare != nullptr},
                            {"backward", t.backward != nullptr},
                            {"inference", t.inference != nullptr}});
}
std::string fault(const std::string& id, const qloom_accumulator& t) {
  return first_missing(id, {{"accumulate", t.accumulate != nullptr},
                            {"is_exact", t.is_exact != nullptr},
                            {"bits", t.bits != nullptr}});
}
std::string fault(const std::string& id, const qloom_requantizer& t) {
  return first_missing(id, {{"derive", t.derive != nullptr}});
}
std::string fault(const std::string& id, const qloom_procedure& t) {
  return first_missing(id, {{"on", t.on != nullptr}});
}

template <class Table>
std::string table_fault(const std::string& id, const void* ops) {
  const auto& table = *static_cast<const Table*>(ops);
  if (table.struct_size < sizeof(Table)) return truncated(id, table.struct_size, sizeof(Table));
  return fault(id, table);
}

std::string base_fault(const qloom_base& base) {
  if (base.struct_size < sizeof(qloom_base)) {
    return truncated("qloom_base", base.struct_size, sizeof(qloom_base));
  }
  if (base.destroy == nullptr) return "the qloom_base table has no destroy()";
  if ((base.save == nullptr) != (base.load == nullptr)) {
    return "the qloom_base table has only one of save() and load()";
  }
  return {};
}

}  // namespace

std::string kind_id(const std::string& kind) {
  for (const char* known :
       {"quantizer", "rounding", "range", "norm", "accumulator", "requantizer", "procedure"}) {
    if (kind == known) return "qloom." + kind + "/1";
  }
  return {};
}

bool is_destroyable(const qloom_instance& instance) {
  return instance.self != nullptr && instance.base != nullptr &&
         QLOOM_HAS(qloom_base, instance.base, destroy) && instance.base->destroy != nullptr;
}

std::string instance_fault(const std::string& kind, const qloom_instance& instance) {
  if (instance.struct_size < sizeof(qloom_instance)) {
    return truncated("qloom_instance", instance.struct_size, sizeof(qloom_instance));
  }
  if (instance.self == nullptr) return "create() left self NULL";
  if (instance.base == nullptr) return "create() left base NULL";
  if (instance.ops == nullptr) return "create() left ops NULL";
  if (std::string text = base_fault(*instance.base); !text.empty()) return text;
  const std::string id = kind_id(kind);
  if (kind == "rounding") return table_fault<qloom_rounding>(id, instance.ops);
  if (kind == "range") return table_fault<qloom_range_estimator>(id, instance.ops);
  if (kind == "quantizer") return table_fault<qloom_quantizer>(id, instance.ops);
  if (kind == "norm") return table_fault<qloom_norm>(id, instance.ops);
  if (kind == "accumulator") return table_fault<qloom_accumulator>(id, instance.ops);
  if (kind == "requantizer") return table_fault<qloom_requantizer>(id, instance.ops);
  if (kind == "procedure") return table_fault<qloom_procedure>(id, instance.ops);
  return fmt::format("this host knows no kind \"{}\"", kind);
}

}  // namespace qloom::registry
