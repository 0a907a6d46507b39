// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/interface.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include <fmt/format.h>

#include "host/exchange/c/arena.hpp"

namespace qloom::exchange::c {
namespace {

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return text;
}

std::string shape_text(const program::Tensor& tensor) {
  return fmt::format("{}, {} x {} x {} of {}", commented(tensor.name), tensor.height, tensor.width,
                     tensor.channels, tensor.type.text());
}

constexpr const char* kHeaderHead = R"(/* {name}: an integer program as C99.
   No heap, no floating point, no library. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define MODEL_VERSION UINT64_C(0x{version}) /* digest of program.json */

/* {input} */
#define MODEL_INPUT_SIZE {input_size}u
{outputs}
/* Bytes of working memory. Tensors that live at one time need {lower}. */
#define MODEL_ARENA_SIZE {arena}u

)";

constexpr const char* kHeaderTail =
    R"(/* One sample{returns}. Its arena is static: one call at a time. */
{result} model_run({parameters});
/* The same in the caller's memory: MODEL_ARENA_SIZE bytes at an address divisible by {alignment}. */
{result} model_run_in(uint8_t *arena, {parameters});

#ifdef MODEL_TRACE
/* From now on model_run tells every tensor: count numbers of 8, 16, 32 or 64 bits. 0 ends it. */
void model_trace(void (*see)(const char *tensor, const void *values, uint32_t count, uint32_t bits,
                             int32_t is_signed));
#endif

#ifdef __cplusplus
}}
#endif
#endif
)";

std::string sizes_text(const program::Program& program) {
  std::string text;
  for (const Output& output : outputs_of(program)) {
    const program::Tensor& tensor = program.tensor(output.tensor);
    text +=
        fmt::format("/* {} */\n#define {} {}u\n", shape_text(tensor), output.size, tensor.size());
  }
  return text;
}

}  // namespace

std::vector<Output> outputs_of(const program::Program& program) {
  std::vector<Output> all;
  const int returned = returned_output(program);
  const std::size_t count = program.outputs.size() - (returned < 0 ? 0U : 1U);
  std::set<std::string> taken;
  for (const int tensor : program.outputs) {
    if (tensor == returned) continue;
    if (count == 1) return {{tensor, "output", "MODEL_OUTPUT_SIZE"}};
    std::string name = identifier(program.tensor(tensor).name);
    if (!taken.insert(upper(name)).second) {
      name += fmt::format("_{}", tensor);
      taken.insert(upper(name));
    }
    all.push_back({tensor, "output_" + name, "MODEL_OUTPUT_" + upper(name) + "_SIZE"});
  }
  return all;
}

std::string result_of(const program::Program& program) {
  return returned_output(program) < 0 ? "void" : "int32_t";
}

std::string parameters_of(const program::Program& program) {
  std::string text = fmt::format("const {} *input", stored(program.tensor(program.input)).text());
  for (const Output& output : outputs_of(program)) {
    text += fmt::format(", {} *{}", stored(program.tensor(output.tensor)).text(), output.parameter);
  }
  return text;
}

std::string arguments_of(const program::Program& program) {
  std::string text = "input";
  for (const Output& output : outputs_of(program)) text += ", " + output.parameter;
  return text;
}

std::string header_of(const program::Program& program, const Options& options) {
  const Memory memory = plan(program);
  const int returned = returned_output(program);
  const program::Tensor& input = program.tensor(program.input);
  const std::string returns =
      returned < 0 ? "" : "; returns " + commented(program.tensor(returned).name);
  return fmt::format(kHeaderHead, fmt::arg("name", commented(program.origin.name)),
                     fmt::arg("version", options.version), fmt::arg("input", shape_text(input)),
                     fmt::arg("input_size", input.size()), fmt::arg("outputs", sizes_text(program)),
                     fmt::arg("lower", memory.lower_bound), fmt::arg("arena", memory.bytes)) +
         fmt::format(
             kHeaderTail, fmt::arg("returns", returns), fmt::arg("result", result_of(program)),
             fmt::arg("parameters", parameters_of(program)), fmt::arg("alignment", kAlignment));
}

}  // namespace qloom::exchange::c
