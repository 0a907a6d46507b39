// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/json/edit.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "host/json/pointer.hpp"
#include "host/json/text.hpp"

namespace qloom::json {
namespace {

struct Span {
  std::size_t begin = 0, end = 0;
};
struct Member {
  Span key, value;  ///< the key with its quotation marks
};

/// Where the members of all objects stand in a sound text, by their JSON pointer.
class Members {
 public:
  explicit Members(const std::string& text) : text_(text) {
    if (text.starts_with("\xEF\xBB\xBF")) here_ = 3;  // byte order mark
    skip_value("");
  }
  [[nodiscard]] const Member* find(const std::string& pointer) const {
    const auto found = all_.find(pointer);
    return found == all_.end() ? nullptr : &found->second;
  }

 private:
  void skip_space() { here_ = std::min(text_.find_first_not_of(" \t\r\n", here_), text_.size()); }
  void skip_string() {
    for (++here_; text_[here_] != '"'; ++here_) {
      if (text_[here_] == '\\') ++here_;
    }
    ++here_;
  }
  void skip_value(const std::string& at) {
    skip_space();
    if (text_[here_] == '{') {
      skip_items('}', [&](std::size_t) { skip_member(at); });
    } else if (text_[here_] == '[') {
      skip_items(']', [&](std::size_t i) { skip_value(at + "/" + std::to_string(i)); });
    } else if (text_[here_] == '"') {
      skip_string();
    } else {
      here_ = std::min(text_.find_first_of(",]} \t\r\n", here_), text_.size());
    }
  }
  void skip_items(char end, const std::function<void(std::size_t)>& skip_item) {
    ++here_;
    skip_space();
    for (std::size_t i = 0; text_[here_] != end; ++i) {
      skip_item(i);
      skip_space();
      if (text_[here_] == ',') ++here_;
      skip_space();
    }
    ++here_;
  }
  void skip_member(const std::string& object) {
    Member member;
    member.key.begin = here_;
    skip_string();
    member.key.end = here_;
    const std::string key = text_.substr(member.key.begin, here_ - member.key.begin);
    const std::string place = object + pointer_part(parse(key, "key").get<std::string>());
    skip_space();
    ++here_;  // the colon
    skip_space();
    member.value.begin = here_;
    skip_value(place);
    member.value.end = here_;
    all_[place] = member;
  }

  const std::string& text_;
  std::size_t here_ = 0;
  std::map<std::string, Member> all_;
};

}  // namespace

std::string edited(const std::string& text, const std::vector<MemberEdit>& edits) {
  const Members members(text);
  std::map<std::size_t, std::pair<std::size_t, std::string>, std::greater<>> changes;
  for (const MemberEdit& edit : edits) {
    const Member* member = members.find(edit.object + pointer_part(edit.key));
    if (member == nullptr) continue;
    changes[member->key.begin] = {member->key.end, Json(edit.new_key).dump()};
    if (edit.value) changes[member->value.begin] = {member->value.end, edit.value->dump()};
  }
  std::string result = text;
  for (const auto& [begin, change] : changes) {  // from the end, so that places stay
    result.replace(begin, change.first - begin, change.second);
  }
  return result;
}

}  // namespace qloom::json
