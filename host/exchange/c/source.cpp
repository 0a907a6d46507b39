// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <algorithm>

#include <fmt/format.h>

#include "host/data/arrays/array_file.hpp"
#include "host/exchange/c/arena.hpp"
#include "host/exchange/c/c.hpp"
#include "host/exchange/c/calls/calls.hpp"
#include "host/exchange/c/fusion.hpp"
#include "host/exchange/c/interface.hpp"
#include "host/exchange/c/ops.hpp"

namespace qloom::exchange::c {
namespace {

using program::Kind;
using program::Op;
using program::Program;

constexpr const char* kTrace = R"(#ifdef MODEL_TRACE
static void (*tell)(const char *, const void *, uint32_t, uint32_t, int32_t);
void model_trace(void (*see)(const char *tensor, const void *values, uint32_t count, uint32_t bits,
                             int32_t is_signed)) {
  tell = see;
}
#define SEE(tensor, values, count, bits, is_signed) \
  if (tell) tell(tensor, values, count, bits, is_signed)
#define KEEP(sums, at, value) sums[at] = value
{sums}#else
#define SEE(tensor, values, count, bits, is_signed) ((void)0)
#define KEEP(sums, at, value) ((void)0)
#endif

)";

/// The same where functions of a table get memory for sums.
constexpr const char* kTraceOfCalls = R"(#ifdef MODEL_TRACE
static void (*tell)(const char *, const void *, uint32_t, uint32_t, int32_t);
void model_trace(void (*see)(const char *tensor, const void *values, uint32_t count, uint32_t bits,
                             int32_t is_signed)) {
  tell = see;
}
#define SEE(tensor, values, count, bits, is_signed) \
  if (tell) tell(tensor, values, count, bits, is_signed)
#define SUMS(...) \
  const struct model_tensor all = {__VA_ARGS__}; \
  const struct model_tensor *const sums = &all
{sums}#else
#define SEE(tensor, values, count, bits, is_signed) ((void)0)
#define SUMS(...) const struct model_tensor *const sums = 0
#endif

)";

/// Prints model_run_in: tensors as pointers, one call an operation.
class Body {
 public:
  Body(const Program& program, Style style)
      : program_(program), style_(style), memory_(plan(program)) {}

  std::string text() {
    const int returned = returned_output(program_);
    text_.open(fmt::format("{} model_run_in(uint8_t *arena, {})", result_of(program_),
                           parameters_of(program_)));
    declare();
    see(program_.input);
    for (std::size_t i = 0; i < program_.ops.size(); ++i) call(static_cast<int>(i));
    for (const Output& output : outputs_of(program_)) copy(output);
    if (returned >= 0) text_.put(fmt::format("return (int32_t){}[0];", pointer(returned)));
    text_.close();
    return text_.all();
  }

 private:
  [[nodiscard]] bool is_root(int tensor) const {
    return memory_.root[static_cast<std::size_t>(tensor)] == tensor;
  }

  /// What stands for a tensor: a parameter, or a variable for a place in the arena.
  [[nodiscard]] std::string pointer(int tensor) const {
    const int root = memory_.root[static_cast<std::size_t>(tensor)];
    switch (memory_.of(tensor).where) {
      case Place::Where::kInput:
        return "input";
      case Place::Where::kOutput:
        return output_with(root);
      case Place::Where::kArena:
        return fmt::format("t{}", root);
      case Place::Where::kNone:
        return fmt::format("s{}", root);
    }
    return {};
  }
  [[nodiscard]] std::string output_with(int root) const {
    const std::vector<Output> all = outputs_of(program_);
    const auto found = std::find_if(all.begin(), all.end(), [&](const Output& output) {
      return memory_.root[static_cast<std::size_t>(output.tensor)] == root;
    });
    return found->parameter;
  }

  void declare() {
    bool uses_arena = false;
    for (const Op& op : program_.ops) {
      const Place& place = memory_.of(op.output);
      if (!is_root(op.output) || place.where != Place::Where::kArena) continue;
      uses_arena = true;
      const std::string type = stored(program_.tensor(op.output)).text();
      text_.put(fmt::format("{} *const t{} = ({} *)(void *)(arena + {}); /* {} */", type, op.output,
                            type, place.offset, commented(program_.tensor(op.output).name)));
    }
    if (!uses_arena) text_.put("(void)arena;");
  }

  void see(int tensor) {
    const program::Tensor& t = program_.tensor(tensor);
    const CType type = stored(t);
    text_.put(fmt::format("SEE({}, {}, {}, {}, {});", quoted(t.name), pointer(tensor), t.size(),
                          type.bits, type.is_signed ? 1 : 0));
  }

  void call(int index) {
    const Op& op = program_.ops[static_cast<std::size_t>(index)];
    if (style_ == Style::kCalls && is_called(program_, index)) {
      text_.put(fmt::format("/* {} */", commented(op.name)));
      text_.open("");
      for (const std::string& line :
           kernel_call(program_, index, [this](int tensor) { return pointer(tensor); })) {
        text_.put(line);
      }
      text_.close();
    } else if (op.kind != Kind::kReshape && !is_fused(program_, index)) {
      const program::Op* map = fused_map(program_, index);
      std::string arguments;
      for (const int input : op.inputs) arguments += pointer(input) + ", ";
      text_.put(fmt::format("{}({}{});", function_of(program_, index), arguments,
                            pointer(map == nullptr ? op.output : map->output)));
    }
    see(op.output);
  }

  /// An output that is not where the caller wants it.
  void copy(const Output& output) {
    const std::string from = pointer(output.tensor);
    if (from == output.parameter) return;
    text_.put(fmt::format("for (int32_t i = 0; i < {}; ++i) {}[i] = {}[i];",
                          program_.tensor(output.tensor).size(), output.parameter, from));
  }

  const Program& program_;
  const Style style_;
  const Memory memory_;
  Text text_;
};

constexpr const char* kRun = R"(
{result} model_run({parameters}) {{
  static union {{
    uint64_t aligned;
    uint8_t bytes[MODEL_ARENA_SIZE];
  }} arena;
  {returns}model_run_in(arena.bytes, {arguments});
}}
)";

std::string run_text(const Program& program) {
  return fmt::format(kRun, fmt::arg("result", result_of(program)),
                     fmt::arg("parameters", parameters_of(program)),
                     fmt::arg("returns", returned_output(program) < 0 ? "" : "return "),
                     fmt::arg("arguments", arguments_of(program)));
}

/// What only a build with -DMODEL_TRACE has, arrays for sums that go into a map one by one too.
std::string trace_text(const Program& program, Style style) {
  std::string sums, text = style == Style::kCalls ? kTraceOfCalls : kTrace;
  for (std::size_t i = 0; i < program.tensors.size(); ++i) {
    const program::Tensor& tensor = program.tensors[i];
    if (!is_passing(program, static_cast<int>(i))) continue;
    sums += fmt::format("static {} s{}[{}]; /* {} */\n", stored(tensor).text(), i, tensor.size(),
                        commented(tensor.name));
  }
  return text.replace(text.find("{sums}"), 6, sums);
}

std::string source_of(const Program& program, const Options& options) {
  Source source;
  const std::vector<program::Range> ranges = program::ranges_of(program);
  const bool calls = options.style == Style::kCalls;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const auto index = static_cast<int>(i);
    if (calls && is_called(program, index)) {
      source.arrays += layer_data(program, index);
    } else {
      print_op({program, ranges, index, options.is_packed, source});
    }
  }
  const std::string head = calls ? "#include \"model_kernels.h\"\n" : "";
  return "#include \"model.h\"\n" + head + "\n" + trace_text(program, options.style) +
         source.helpers() + source.arrays + "\n" + (calls ? table_text() : "") + source.functions +
         Body(program, options.style).text() + run_text(program);
}

}  // namespace

Files print(const program::Program& program, const Options& options) {
  program::require_integer(program, "the export to C");
  require_addressable(plan(program).bytes);
  Files files{header_of(program, options), source_of(program, options), harness_of(program),
              readme_of(program, options)};
  if (options.style == Style::kCalls) files.kernels = kernel_files();
  return files;
}

void write(const Files& files, const std::filesystem::path& folder) {
  std::vector<std::pair<std::filesystem::path, std::string>> all{
      {folder / "model.c", files.source},
      {folder / "model_main.c", files.harness},
      {folder / "README.txt", files.readme}};
  for (const auto& [name, text] : files.kernels) all.emplace_back(folder / name, text);
  all.emplace_back(folder / "model.h", files.header);  // without which nothing is compiled
  data::write_texts(all, data::Replace::kAsOne);
}

}  // namespace qloom::exchange::c
