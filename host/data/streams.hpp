// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Standard output and standard error. A result that standard output could not take is lost, so it
// is an error; what is said on standard error beside the work never stops the work.
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace qloom::data {

/// Opens a closed standard stream on the null device, so that no file of the program gets its
/// number; ignores SIGPIPE, so that a reader that went away is an error of write(). Call it first
/// in main().
void keep_streams_apart();

/// Writes to standard output. RunError "standard output: <reason>" when it does not take the text.
void print_text(std::string_view text);
/// RunError when text that was printed cannot be written now. Call it last.
void flush_output();

template <class... Args>
void print(fmt::format_string<Args...> format, Args&&... args) {
  print_text(fmt::format(format, std::forward<Args>(args)...));
}

/// Writes to standard error at once, in one piece; what cannot be written is dropped.
void say_text(std::string_view text) noexcept;

template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  say_text(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace qloom::data
