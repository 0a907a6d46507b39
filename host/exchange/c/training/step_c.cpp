// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/exchange/c/training/step_c.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "host/exchange/c/arena.hpp"
#include "host/exchange/c/training/step_harness.hpp"
#include "host/exchange/c/training/step_ops.hpp"
#include "host/exchange/c/training/step_plan.hpp"

namespace qloom::exchange::c {
namespace {

using step_program::Each;
using StepKind = step_program::Kind;
using StepProgram = step_program::Program;

/// Prints model_step or model_run: tensors as pointers, phases as loops over the samples.
class StepBody {
 public:
  StepBody(const StepProgram& program, const StepPlan& plan) : program_(program), plan_(plan) {}

  std::string step() {
    text_.open("void model_step(const uint8_t *images, const uint8_t *labels, uint32_t n)");
    declare();
    for (const Phase& phase : plan_.phases) print(phase, "n");
    text_.put("++steps_done;");
    text_.close();
    return text_.all();
  }
  std::string run() {
    text_.open("int32_t model_run(const uint8_t *images)");
    declare();
    text_.put("int32_t best = 0;");
    for (const Phase& phase : plan_.phases) print(phase, "");
    text_.loop("i", program_.tensor(program_.logits).size());
    const std::string logits = pointer(program_.logits);
    text_.put(fmt::format("if ({0}[i] > {0}[best]) best = i;", logits));
    text_.close();
    text_.put("return best;");
    text_.close();
    return text_.all();
  }

 private:
  [[nodiscard]] CType type_of(int tensor) const {
    return stored(program_.tensor(tensor).type.values());
  }
  [[nodiscard]] const step_program::Op& op_at(int index) const {
    return program_.ops[static_cast<std::size_t>(index)];
  }

  void declare() {
    for (const Phase& phase : plan_.phases) {
      for (const auto* ops : {&phase.whole, &phase.samples}) {
        for (const int index : *ops) declare(op_at(index).output);
      }
    }
  }
  void declare(int tensor) {
    const StepPlace& place = plan_.of(tensor);
    if (place.where == StepPlace::Where::kNumber) {
      text_.put(fmt::format("uint64_t m{} = 0;", tensor));
      text_.put(fmt::format("int32_t e{} = 0;", tensor));
    }
    if (place.where != StepPlace::Where::kArena) return;
    const std::string type = type_of(tensor).text();
    text_.put(fmt::format("{} *const t{} = ({} *)(void *)(memory.bytes + {}); /* {}{} */", type,
                          tensor, type, place.offset, commented(program_.tensor(tensor).name),
                          place.is_of_batch ? ", of all samples" : ""));
  }

  /// What stands for a tensor, in a loop over the samples s where there is one.
  [[nodiscard]] std::string pointer(int tensor) const {
    const StepPlace& place = plan_.of(tensor);
    switch (place.where) {
      case StepPlace::Where::kImages:
        return sample_of("images", tensor);
      case StepPlace::Where::kParameter:
        return parameter_array(program_, tensor);
      case StepPlace::Where::kNumber:
        return fmt::format("e{}", tensor);
      case StepPlace::Where::kArena:
      case StepPlace::Where::kNowhere:
        break;
    }
    const std::string name = fmt::format("t{}", tensor);
    return place.is_of_batch ? sample_of(name, tensor) : name;
  }
  [[nodiscard]] std::string sample_of(const std::string& name, int tensor) const {
    if (!in_loop_) return name;
    return fmt::format("{} + s * {}u", name, program_.tensor(tensor).size());
  }

  void print(const Phase& phase, const std::string& count) {
    for (const int index : phase.whole) call(index);
    if (phase.samples.empty()) return;
    for (const int index : phase.samples) clear(op_at(index));
    in_loop_ = !count.empty();
    if (in_loop_) text_.open(fmt::format("for (uint32_t s = 0; s < {}; ++s)", count));
    for (const int index : phase.samples) call(index);
    if (in_loop_) text_.close();
    in_loop_ = false;
    for (const int index : phase.samples) finish(op_at(index));
  }

  /// Sums over samples begin at 0.
  void clear(const step_program::Op& op) {
    if (op.kind != StepKind::kConvDw && op.kind != StepKind::kDenseDw) return;
    text_.put(fmt::format("for (int32_t i = 0; i < {}; ++i) t{}[i] = 0;",
                          program_.tensor(op.output).size(), op.output));
  }
  void finish(const step_program::Op& op) {
    if (op.kind == StepKind::kExponent) {
      text_.put(fmt::format("e{0} = exponent_of(m{0});", op.output));
    }
  }

  void call(int index) {
    const step_program::Op& op = op_at(index);
    const std::string name = step_function(program_, index);
    if (op.kind == StepKind::kExponent) {
      text_.put(fmt::format("m{0} = {1}({2}, m{0});", op.output, name, pointer(op.inputs[0])));
      if (!sums_samples(program_, op)) finish(op);
      return;
    }
    std::string arguments;
    for (const int input : op.inputs) {
      arguments += (arguments.empty() ? "" : ", ") + pointer(input);
    }
    if (op.kind != StepKind::kUpdate) arguments += ", " + pointer(op.output);
    if (op.kind == StepKind::kStochastic) arguments += ", steps_done";
    if (op.kind == StepKind::kSubtractLabel) arguments += ", labels[s]";
    text_.put(fmt::format("{}({});", name, arguments));
  }

  const StepProgram& program_;
  const StepPlan& plan_;
  Text text_;
  bool in_loop_ = false;
};

/// Stored weights, as they are before the first step.
std::string weight_arrays(const StepProgram& program) {
  std::string text;
  for (const step_program::Parameter& parameter : program.parameters) {
    const step_program::Tensor& tensor = program.tensor(parameter.tensor);
    const std::string name = parameter_array(program, parameter.tensor);
    // The narrowest type of these values may be another one than that of all later ones.
    std::string values = array(name, parameter.initial);
    values.replace(
        0, values.find('='),
        fmt::format("static {} {}[{}] ", stored(tensor.type.values()).text(), name, tensor.size()));
    text +=
        values + fmt::format("{} *model_{}(void) {{ return {}; }}\n\n",
                             stored(tensor.type.values()).text(), identifier(tensor.name), name);
  }
  return text;
}

constexpr const char* kState = R"(static uint32_t steps_done;
uint32_t model_steps(void) { return steps_done; }
void model_set_steps(uint32_t steps) { steps_done = steps; }

static union {
  uint64_t aligned;
  uint8_t bytes[MODEL_ARENA_SIZE];
} memory;

)";

std::string step_source(const StepProgram& program, const StepPlan& step, const StepPlan& run) {
  Source source;
  const std::vector<Interval> ranges = step_program::ranges_of(program);
  std::vector<bool> is_printed(program.ops.size());
  for (const StepPlan* plan : {&step, &run}) {
    for (const Phase& phase : plan->phases) {
      for (const auto* ops : {&phase.whole, &phase.samples}) {
        for (const int index : *ops) is_printed[static_cast<std::size_t>(index)] = true;
      }
    }
  }
  for (std::size_t i = 0; i < is_printed.size(); ++i) {
    if (is_printed[i]) print_step_op({program, ranges, static_cast<int>(i), source});
  }
  return "#include \"model.h\"\n\n" + weight_arrays(program) + kState + source.helpers() +
         step_helpers(program) + source.arrays + "\n" + source.functions +
         StepBody(program, step).step() + "\n" + StepBody(program, run).run();
}

}  // namespace

std::int64_t step_arena(const StepProgram& program) {
  return std::max<std::int64_t>({plan_step(program).arena, plan_run(program).arena, 8});
}

Files print_step(const StepProgram& program, const std::string& version) {
  const StepPlan step = plan_step(program), run = plan_run(program);
  require_addressable(step_arena(program));
  return {step_header(program, version, step_arena(program), step.least),
          step_source(program, step, run), step_harness(program), step_readme(program)};
}

}  // namespace qloom::exchange::c
