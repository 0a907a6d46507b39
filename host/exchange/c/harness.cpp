// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include <fmt/format.h>

#include "host/exchange/c/arena.hpp"
#include "host/exchange/c/interface.hpp"

namespace qloom::exchange::c {
namespace {

constexpr const char* kHarnessHead =
    R"(/* Reads samples on standard input, each MODEL_INPUT_SIZE numbers of {bits} bits, little end first;
   prints the outputs of each on a line of its own. With -DMODEL_TRACE its argument is a file that
   gets every tensor of every sample. */
#include <stdint.h>
#include <stdio.h>

#include {header}

#ifdef MODEL_TRACE
static FILE *trace;

static void put(uint64_t number, uint32_t bytes) {{
  for (uint32_t i = 0; i < bytes; ++i) putc((int)(number >> (8 * i) & 255), trace);
}}

/* A record of the trace: length of the name (32 bits), name, signed (8), bits (8), count (32), then
   the numbers; little end first. */
static void see(const char *tensor, const void *values, uint32_t count, uint32_t bits,
                int32_t is_signed) {{
  uint32_t length = 0;
  while (tensor[length] != 0) ++length;
  put(length, 4);
  fwrite(tensor, 1, length, trace);
  put((uint64_t)is_signed, 1);
  put(bits, 1);
  put(count, 4);
  for (uint32_t i = 0; i < count; ++i) {{
    uint64_t number = 0;
    if (bits == 8) number = ((const uint8_t *)values)[i];
    if (bits == 16) number = ((const uint16_t *)values)[i];
    if (bits == 32) number = ((const uint32_t *)values)[i];
    if (bits == 64) number = ((const uint64_t *)values)[i];
    put(number, bits / 8);
  }}
}}

static int begin_trace(int count, char **arguments) {{
  if (count != 2) {{
    fprintf(stderr, "expected one argument: the file of the trace\n");
    return 0;
  }}
  trace = fopen(arguments[1], "wb");
  if (!trace) {{
    fprintf(stderr, "%s: cannot be written\n", arguments[1]);
    return 0;
  }}
  fwrite("qloomtr1", 1, 8, trace);
  model_trace(see);
  return 1;
}}

static int end_trace(void) {{
  const int failed = ferror(trace);
  if (fclose(trace) == 0 && !failed) return 1;
  fprintf(stderr, "the trace cannot be written\n");
  return 0;
}}
#else
static int begin_trace(int count, char **arguments) {{
  if (count < 2) return 1;
  fprintf(stderr, "%s: expected no argument\n", arguments[1]);
  return 0;
}}

static int end_trace(void) {{ return 1; }}
#endif

)";

constexpr const char* kReadSample =
    R"(/* 1: a sample; 0: the end; -1: what is no sample, and that is said. */
static int read_sample({type} *input, unsigned long sample) {{
  for (uint32_t i = 0; i < MODEL_INPUT_SIZE; ++i) {{
    uint64_t number = 0;
    for (uint32_t byte = 0; byte < {bytes}; ++byte) {{
      const int read = getchar();
      if (read == EOF) {{
        if (i == 0 && byte == 0) return 0;
        fprintf(stderr, "sample %lu ends after %lu of %lu numbers\n", sample, (unsigned long)i,
                (unsigned long)MODEL_INPUT_SIZE);
        return -1;
      }}
      number |= (uint64_t)read << (8 * byte);
    }}
    {value}
    if ({outside}) {{
      fprintf(stderr, "sample %lu, number %lu: %lld, expected {low} to {high}\n", sample,
              (unsigned long)i, (long long)value);
      return -1;
    }}
    input[i] = ({type})value;
  }}
  return 1;
}}

)";

constexpr const char* kMain = R"(int main(int count, char **arguments) {{
  static {type} input[MODEL_INPUT_SIZE];
{declarations}  int is_read = 0;
  if (!begin_trace(count, arguments)) return 1;
  for (unsigned long sample = 0; (is_read = read_sample(input, sample)) == 1; ++sample) {{
    {call}
{prints}    putchar('\n');
  }}
  if (!end_trace() || is_read < 0) return 1;
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  fprintf(stderr, "the outputs cannot be written\n");
  return 1;
}}
)";

/// "number" of the file as a value: no conversion that C leaves open.
std::string value_text(CType type) {
  if (!type.is_signed)
    return fmt::format("const uint{}_t value = (uint{}_t)number;", type.bits, type.bits);
  return fmt::format(
      "const uint64_t mask = UINT64_MAX >> {};\n"
      "    const int64_t value =\n"
      "        number <= mask >> 1 ? (int64_t)number : -1 - (int64_t)(mask - number);",
      64 - type.bits);
}

/// Comparisons with the ends of the type that some number of its C type can leave.
std::string outside_text(const program::Type& type, CType c) {
  if (type.bits == c.bits && (type.is_signed || type.bits < 64)) return "0";
  const Interval values = type.values();
  const std::string above = fmt::format("value > {}", literal(values.hi));
  return type.is_signed ? fmt::format("value < {} || {}", literal(values.lo), above) : above;
}

std::string prints_text(const program::Program& program) {
  const int returned = returned_output(program);
  const std::vector<Output> outputs = outputs_of(program);
  std::string text;
  std::size_t next = 0;
  for (const int tensor : program.outputs) {
    if (tensor == returned) {
      text += "    printf(\"%ld \", (long)result);\n";
      continue;
    }
    const Output& output = outputs[next++];
    text +=
        fmt::format("    for (uint32_t i = 0; i < {}; ++i) printf(\"%lld \", (long long){}[i]);\n",
                    output.size, output.parameter);
  }
  return text;
}

constexpr const char* kReadme = R"({name}

An integer program as C99: {needs} nothing but <stdint.h>.

  cc -std=c99 -O2 model.c{kernels} model_main.c -o model
  ./model < samples > outputs

A sample: {size} numbers of {bits} bits, little end first, one after the other in the order height,
width, channel. A line of outputs: its numbers in the program's order.

Every tensor of every sample, for a comparison with the simulation:

  cc -std=c99 -O2 -DMODEL_TRACE model.c{kernels} model_main.c -o model_trace
  ./model_trace trace.bin < samples > outputs
)";

/// Behind the rest, where a table of functions does the work.
constexpr const char* kReadmeOfCalls = R"(
model.c holds the network as data and calls five functions of a table: conv, dense, pool, map, join
(model_kernels.h). Those of model_kernels.c are plain loops that say what each has to compute. To
put others in their place, copy the table, change it and hand it over once:

  static struct model_kernels mine;
  mine = model_reference;
  mine.conv = my_conv;   /* of CMSIS-NN, of a vendor's library, of one's own */
  model_use(&mine);

A function that does not know some layer's steps, widths or window hands it on to that of
model_reference, or requantizes with model_apply(). The trace shows what others change: `qloom diff
PROGRAM trace.bin` names the first tensor that differs. Sums that a function does not write where it
is asked to (`sums`) stay 0 in the trace.
)";

}  // namespace

std::string harness_of(const program::Program& program) {
  const program::Tensor& input = program.tensor(program.input);
  const CType type = stored(input);
  const Interval values = input.type.values();
  std::string declarations;
  for (const Output& output : outputs_of(program)) {
    declarations +=
        fmt::format("  static {} {}[{}];\n", stored(program.tensor(output.tensor)).text(),
                    output.parameter, output.size);
  }
  const std::string call = fmt::format(
      "{}model_run({});",
      returned_output(program) < 0 ? "" : "const int32_t result = ", arguments_of(program));
  return fmt::format(kHarnessHead, fmt::arg("bits", type.bits), fmt::arg("header", "\"model.h\"")) +
         fmt::format(kReadSample, fmt::arg("type", type.text()), fmt::arg("bytes", type.bytes()),
                     fmt::arg("value", value_text(type)),
                     fmt::arg("outside", outside_text(input.type, type)),
                     fmt::arg("low", values.lo), fmt::arg("high", values.hi)) +
         fmt::format(kMain, fmt::arg("type", type.text()), fmt::arg("declarations", declarations),
                     fmt::arg("call", call), fmt::arg("prints", prints_text(program)));
}

std::string readme_of(const program::Program& program, const Options& options) {
  const program::Tensor& input = program.tensor(program.input);
  const bool calls = options.style == Style::kCalls;
  return fmt::format(kReadme, fmt::arg("name", program.origin.name), fmt::arg("size", input.size()),
                     fmt::arg("bits", stored(input).bits),
                     fmt::arg("needs", calls ? "model.c, model_kernels.c and their headers need"
                                             : "model.c and model.h need"),
                     fmt::arg("kernels", calls ? " model_kernels.c" : "")) +
         (calls ? kReadmeOfCalls : "");
}

}  // namespace qloom::exchange::c
