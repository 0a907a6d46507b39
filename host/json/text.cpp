// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/text.hpp"

#include <set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "host/json/pointer.hpp"
#include "host/json/printable.hpp"
#include "host/tensor/error.hpp"

namespace qloom::json {
namespace {

constexpr std::size_t kMostLevels = 100;  // what walks over JSON calls itself once per level

/// Follows the parser through the text and knows the place it is at.
class StrictWalk {
 public:
  explicit StrictWalk(std::string name) : name_(std::move(name)) {}

  bool operator()(int, Json::parse_event_t event, Json& value) {
    switch (event) {
      case Json::parse_event_t::object_start:
      case Json::parse_event_t::array_start:
        next_item();
        if (levels_.size() == kMostLevels) {
          throw InputError(fmt::format("{}: more than {} levels of arrays and objects",
                                       at(name_, place()), kMostLevels));
        }
        levels_.emplace_back();
        levels_.back().is_array = event == Json::parse_event_t::array_start;
        break;
      case Json::parse_event_t::key:
        enter(value.get<std::string>());
        break;
      case Json::parse_event_t::value:
        next_item();
        break;
      case Json::parse_event_t::object_end:
      case Json::parse_event_t::array_end:
        levels_.pop_back();
        break;
    }
    return true;
  }

 private:
  struct Level {
    bool is_array = false;
    int index = -1;
    std::string key;
    std::set<std::string> keys;
  };

  void next_item() {
    if (!levels_.empty() && levels_.back().is_array) ++levels_.back().index;
  }
  void enter(const std::string& key) {
    if (!levels_.back().keys.insert(key).second) {
      throw InputError(
          fmt::format("{}: the key \"{}\" stands twice", at(name_, place()), printable(key)));
    }
    levels_.back().key = key;
  }
  [[nodiscard]] std::string place() const {
    Json::json_pointer pointer;
    for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
      const Level& level = levels_[i];
      pointer.push_back(level.is_array ? std::to_string(level.index) : level.key);
    }
    return printable(pointer.to_string());
  }

  std::string name_;
  std::vector<Level> levels_;
};

}  // namespace

Json parse(const std::string& text, const std::string& name) {
  if (text.size() > kMostBytes) {
    throw InputError(fmt::format("{}: {} bytes; JSON of at most {} bytes is read", name,
                                 text.size(), kMostBytes));
  }
  try {
    return Json::parse(text, StrictWalk(name));
  } catch (const Json::exception& e) {
    std::string message = e.what();  // "[json.exception.parse_error.101] parse error at line ..."
    if (const auto end = message.find("] "); end != std::string::npos) message.erase(0, end + 2);
    throw InputError(fmt::format("{}: {}; expected JSON", name, printable(message)));
  }
}

Json parse_or_text(const std::string& text, const std::string& name) {
  if (Json::accept(text)) return parse(text, name);
  if (!is_utf8(text)) {
    throw InputError(fmt::format("{}: \"{}\" is not UTF-8", name, printable(text)));
  }
  return text;
}

void require_known_format(const Json& document, int newest, const std::string& where) {
  if (!document.is_object() || !document.contains("format")) return;
  const Json& format = document["format"];
  if (format.is_number_integer() && format > newest) {
    throw InputError(fmt::format("{}/format: {} is newer than {}, the newest known", where,
                                 format.dump(), newest));
  }
}

}  // namespace qloom::json
