// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/training/step_harness.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "host/exchange/c/types.hpp"

namespace qloom::exchange::c {
namespace {

std::string upper_identifier(const std::string& name) {
  std::string text = identifier(name);
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  });
  return text;
}

constexpr const char* kStepHeader = R"(/* {name}: one step of training as C99.
   No heap, no floating point, no library. */
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define MODEL_VERSION UINT64_C(0x{version}) /* digest of step.json */

#define MODEL_IMAGE_SIZE {image}u /* bytes */
#define MODEL_CLASSES {classes}u
#define MODEL_BATCH {batch}u /* most samples of a step */
/* Bytes of static working memory. Tensors that live at one time need {least}. */
#define MODEL_ARENA_SIZE {arena}u

/* One step of training on n images, 1 to MODEL_BATCH, with their labels, 0 to MODEL_CLASSES - 1. */
void model_step(const uint8_t *images, const uint8_t *labels, uint32_t n);
/* The class of one image with the present weights. */
int32_t model_run(const uint8_t *image);

/* Steps done: random words and the rate follow from it. */
uint32_t model_steps(void);
void model_set_steps(uint32_t steps);

/* The stored weights, in the order out, kernel row, kernel column, in. They and the number of steps
   are all that lasts from step to step: who keeps both goes on where he was. */
{weights}
#ifdef __cplusplus
}}
#endif
#endif
)";

constexpr const char* kStepHarness =
    R"(/* Reads records on standard input, each a letter, a count n of 4 bytes, little end first, n images,
   and after the letter t n labels of a byte each:
     t  trains a step
     c  prints the class of each image
   At the end it prints every stored weight. */
$includestatic uint8_t images[(uint32_t)MODEL_BATCH * MODEL_IMAGE_SIZE], labels[MODEL_BATCH];

static int refused(const char *what) {
  fprintf(stderr, "standard input: %s\n", what);
  return 1;
}

int main(void) {
  int letter;
  while ((letter = getchar()) != EOF) {
    uint8_t count[4];
    uint32_t n;
    if (letter != 't' && letter != 'c') return refused("expected the letter t or c");
    if (fread(count, 1, 4, stdin) != 4) return refused("ends in a count");
    n = (uint32_t)count[0] | (uint32_t)count[1] << 8 | (uint32_t)count[2] << 16 |
        (uint32_t)count[3] << 24;
    if (n < 1 || n > MODEL_BATCH) return refused("a count that is no batch");
    if (fread(images, MODEL_IMAGE_SIZE, n, stdin) != n) return refused("ends in an image");
    if (letter == 'c') {
      for (uint32_t i = 0; i < n; ++i) printf("%ld\n", (long)model_run(images + i * MODEL_IMAGE_SIZE));
      continue;
    }
    if (fread(labels, 1, n, stdin) != n) return refused("ends in labels");
    for (uint32_t i = 0; i < n; ++i) {
      if (labels[i] >= MODEL_CLASSES) return refused("a label that is none");
    }
    model_step(images, labels, n);
  }
$print  return fflush(stdout) == 0 ? 0 : 1;
}
)";

}  // namespace

std::string parameter_array(const step_program::Program& program, int tensor) {
  for (const step_program::Parameter& parameter : program.parameters) {
    if (parameter.tensor == tensor || parameter.next == tensor) {
      return "w_" + identifier(program.tensor(parameter.tensor).name);
    }
  }
  return {};
}

std::string step_header(const step_program::Program& program, const std::string& version,
                        std::int64_t arena, std::int64_t least) {
  std::string weights;
  for (const step_program::Parameter& parameter : program.parameters) {
    const step_program::Tensor& tensor = program.tensor(parameter.tensor);
    weights += fmt::format("#define MODEL_{}_SIZE {}u /* {}{} */\n{} *model_{}(void);\n",
                           upper_identifier(tensor.name), tensor.size(),
                           fmt::format("{}", fmt::join(tensor.shape, " x ")),
                           tensor.exponent ? fmt::format(", units of 2^{}", *tensor.exponent) : "",
                           stored(tensor.type.values()).text(), identifier(tensor.name));
  }
  return fmt::format(
      kStepHeader, fmt::arg("name", commented(program.name)), fmt::arg("version", version),
      fmt::arg("image", program.tensor(program.images).size()),
      fmt::arg("classes", program.tensor(program.logits).size()), fmt::arg("batch", program.batch),
      fmt::arg("arena", arena), fmt::arg("least", least), fmt::arg("weights", weights));
}

std::string step_harness(const step_program::Program& program) {
  std::string print;
  for (const step_program::Parameter& parameter : program.parameters) {
    const std::string name = program.tensor(parameter.tensor).name;
    print += fmt::format(
        "  for (uint32_t i = 0; i < MODEL_{}_SIZE; ++i) printf(\"%ld\\n\", (long)model_{}()[i]);\n",
        upper_identifier(name), identifier(name));
  }
  std::string text = kStepHarness;
  text.replace(text.find("$print"), 6, print);
  return text.replace(text.find("$include"), 8, "#include <stdio.h>\n\n#include \"model.h\"\n\n");
}

std::string step_readme(const step_program::Program& program) {
  return fmt::format(
      "{}: one step of training as C99.\n\n"
      "  cc -std=c99 -O2 model.c model_main.c -o model\n\n"
      "model.h states the functions and the memory. model_main.c reads batches on standard input "
      "and\n"
      "prints the weights; the comment at its top has the form. docs/step_program.md of qloom "
      "says\n"
      "what a step computes.\n",
      commented(program.name));
}

}  // namespace qloom::exchange::c
