// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Functions and classes of a source text, as far as formatted text tells: a brace with a space
// before it opens a body, one without belongs to a value.
#pragma once

#include <cctype>
#include <cstddef>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/tree/sources.hpp"

namespace qloom::test {

/// A function with its lines between the braces, or a class with its public functions.
struct Part {
  std::string head;      ///< "void Plan::backward(const Tensor& dy)"
  std::size_t line = 0;  ///< of the head's first line
  std::size_t size = 0;
};

class Outline {
 public:
  explicit Outline(const std::string& text) {
    const std::string code = code_of(text);
    for (const char c : code) {
      if (c == '\n') ++line_;
      take(c);
    }
  }

  [[nodiscard]] const std::vector<Part>& functions() const { return functions_; }
  [[nodiscard]] const std::vector<Part>& classes() const { return classes_; }

 private:
  enum class Kind { kNamespace, kClass, kFunction, kValue };
  struct Scope {
    Kind kind = Kind::kNamespace;
    Part part;
    std::size_t open_line = 0;
    bool is_public = true;  ///< what is declared from here on, of a class
    bool is_inner = false;  ///< inside a function, whose lines count there
  };

  void take(char c) {
    Scope& scope = scopes_.back();
    if (c == '(') ++parentheses_;
    if (c == ')') --parentheses_;
    if (c == '{') return open();
    if (c == '}') return close();
    if (scope.kind == Kind::kFunction || scope.kind == Kind::kValue) return;
    if (c == ';' && parentheses_ == 0) return end_of_declaration();
    if (c == ':' && scope.kind == Kind::kClass && is_access()) return;
    if (std::isspace(static_cast<unsigned char>(c)) == 0) {
      if (head_.empty()) head_line_ = line_;
      head_ += c;
    } else if (!head_.empty() && head_.back() != ' ') {
      head_ += ' ';
    }
  }

  /// "public:" and its kind set what follows.
  bool is_access() {
    for (const char* word : {"public", "protected", "private"}) {
      if (head_ != word) continue;
      scopes_.back().is_public = head_ == "public";
      head_.clear();
      return true;
    }
    return false;
  }

  void open() {
    Scope next;
    const Scope& outer = scopes_.back();
    next.is_inner = outer.is_inner || outer.kind == Kind::kFunction;
    const bool is_value = next.is_inner || outer.kind == Kind::kValue || parentheses_ > 0;
    next.kind = is_value ? Kind::kValue : kind_of(head_);
    next.part = {head_, head_line_, 0};
    next.open_line = line_;
    next.is_public =
        !std::regex_search(without_brackets(head_), std::regex(R"(^(template )?class\b)"));
    if (next.kind == Kind::kFunction) note_declaration();
    if (next.kind != Kind::kValue) head_.clear();
    parentheses_stack_.push_back(parentheses_);
    parentheses_ = 0;
    scopes_.push_back(std::move(next));
  }

  void close() {
    if (scopes_.size() == 1) return;
    Scope scope = std::move(scopes_.back());
    scopes_.pop_back();
    parentheses_ = parentheses_stack_.back();
    parentheses_stack_.pop_back();
    if (scope.kind == Kind::kFunction) {
      scope.part.size = line_ > scope.open_line ? line_ - scope.open_line - 1 : 0;
      functions_.push_back(std::move(scope.part));
    } else if (scope.kind == Kind::kClass) {
      classes_.push_back(std::move(scope.part));
    }
  }

  /// What the brace opens, from the text since the last declaration.
  static Kind kind_of(const std::string& head) {
    static const std::regex space(R"(^(inline )?(namespace|extern)\b[^()]*$)"),
        type(R"(^(template )?(typedef )?(class|struct|union|enum)\b[^()=]*$)");
    if (head.empty() || head.back() != ' ') return Kind::kValue;
    const std::string plain = without_brackets(head);
    if (std::regex_search(plain, space)) return Kind::kNamespace;
    if (std::regex_search(plain, type)) return Kind::kClass;
    return is_function(head) ? Kind::kFunction : Kind::kValue;
  }

  /// A name before parentheses, and no value behind an equals sign.
  static bool is_function(const std::string& head) {
    const std::string plain = without_brackets(head);
    static const std::regex function(R"((\w|operator ?[^ \w(]+)\(\))"), value(R"([^=!<>]=[^=])");
    if (std::regex_search(plain, std::regex(R"(\boperator\b)"))) return true;
    return std::regex_search(plain, function) && !std::regex_search(plain, value);
  }

  /// Without what stands in <> and (): "f()". A pointer to a function stays "(*)()".
  static std::string without_brackets(const std::string& head) {
    std::string plain;
    int round = 0, angle = 0;
    for (std::size_t i = 0; i < head.size(); ++i) {
      const char c = head[i], before = i == 0 ? ' ' : head[i - 1];
      const bool is_template = i >= 9 && head.compare(i - 9, 9, "template ") == 0;
      if (round == 0 && c == '<' && (before != ' ' || is_template)) {
        ++angle;
      } else if (round == 0 && angle > 0 && c == '>' && before != '-') {
        --angle;
      } else if (angle == 0) {
        if (c == ')') --round;
        if (round == 0 || (round == 1 && c == '*' && before == '(')) plain += c;
        if (c == '(') ++round;
      }
    }
    return plain;
  }

  void end_of_declaration() {
    if (is_function(head_)) note_declaration();
    head_.clear();
  }

  /// Counts a public function of a class; what creates, copies and destroys is none of its offers.
  void note_declaration() {
    Scope& scope = scopes_.back();
    if (scope.kind != Kind::kClass || !scope.is_public) return;
    static const std::regex other(
        R"(^(friend|using|typedef|static_assert)\b|\(\*|= (default|delete))"),
        name(R"(\b(class|struct) (\w+))"), callee(R"((~?\w+) ?\()");
    if (std::regex_search(head_, other)) return;
    const std::string own_head = without_brackets(scope.part.head);
    std::smatch own, called;
    const bool is_named = std::regex_search(own_head, own, name);
    if (is_named && std::regex_search(head_, called, callee)) {
      if (called[1] == own[2] || called[1] == "~" + own[2].str()) return;
    }
    ++scope.part.size;
  }

  std::vector<Scope> scopes_ = std::vector<Scope>(1);
  std::vector<int> parentheses_stack_;
  int parentheses_ = 0;
  std::string head_;
  std::size_t line_ = 1, head_line_ = 1;
  std::vector<Part> functions_, classes_;
};

/// Do the comment lines directly above a line hold these words?
inline bool comment_holds(const std::string& text, std::size_t line, std::string_view words) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string one; lines.size() + 1 < line && std::getline(in, one);) lines.push_back(one);
  std::string comment;
  for (auto i = lines.rbegin(); i != lines.rend(); ++i) {
    const std::size_t first = i->find_first_not_of(' ');
    if (first == std::string::npos || i->compare(first, 2, "//") != 0) break;
    comment.insert(0, i->substr(i->find_first_not_of("/ ", first)) + ' ');
  }
  return comment.find(words) != std::string::npos;
}

}  // namespace qloom::test
