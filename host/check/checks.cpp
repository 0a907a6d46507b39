// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
#include "host/check/checks.hpp"

namespace qloom::check {

const std::vector<Check>& all_checks() {
  static const std::vector<Check> all{
      {"exports", "library", Level::kAbi, "the entry is the only exported symbol", &check_exports},
      {"imports", "library", Level::kAbi, "needs nothing but the C and C++ runtime",
       &check_imports},
      {"unmapping", "library", Level::kAbi, "leaves memory when it is closed", &check_unmapping},
      {"creation", "*", Level::kAbi,
       "loads, agrees with the manifest, is created from the parameters its schema names",
       &check_creation},
      {"floating_point", "*", Level::kAbi,
       "rounding direction, flush-to-zero and masks stay as they are in every call",
       &check_floating_point},
      {"bounds", "quantizer range norm rounding accumulator", Level::kAbi,
       "0 to 67 elements, odd offsets: nothing is read or written outside, inputs stay",
       &check_bounds},
      {"wrong_state", "quantizer range norm rounding accumulator", Level::kAbi,
       "random, missing, mistyped and misshaped state is refused or taken, without harm",
       &check_wrong_state},
      {"state_versions", "*", Level::kAbi,
       "older state is taken, newer state is refused and changes nothing", &check_state_versions},
      {"order", "range", Level::kAbi, "ranges() before any data is QLOOM_E_ORDER",
       &check_range_order},
      {"events", "procedure", Level::kAbi, "wants events, and only ones that exist",
       &check_events},
      {"answers", "quantizer range norm rounding accumulator", Level::kSound,
       "finite results for ordinary, zero, constant and subnormal inputs", &check_answers},
      {"repetition", "quantizer range norm rounding accumulator", Level::kSound,
       "a second instance gives the same bits", &check_repetition},
      {"threads", "quantizer range norm rounding accumulator", Level::kSound,
       "the same bits on 1, 2, 7 and 16 threads", &check_threads},
      {"instruction_sets", "quantizer range norm rounding accumulator", Level::kSound,
       "the same bits on every instruction set this machine runs", &check_instruction_sets},
      {"blocks", "quantizer", Level::kSound, "the same bits however the tensor is cut",
       &check_quantizer_blocks},
      {"blocks", "norm", Level::kSound, "the same bits however the rows are cut",
       &check_norm_blocks},
      {"blocks", "rounding", Level::kSound, "the same bits however the call is cut",
       &check_rounding_blocks},
      {"blocks", "accumulator", Level::kSound, "the same sums and overflows for any tiles",
       &check_accumulator_tiles},
      {"state", "*", Level::kSound,
       "saved, loaded and saved again is the same; goes on with the same bits", &check_state},
      {"codes", "quantizer", Level::kSound,
       "decode(encode(x)) has the bits of apply(x); codes fit their width", &check_codes},
      {"lowered", "quantizer", Level::kSound,
       "a rounding method gives the same bits lowered to a rule and called",
       &check_lowered_quantizer},
      {"lowered", "rounding", Level::kSound,
       "round() gives the bits of the rule that lower() names", &check_lowered_rounding},
      {"non_finite", "quantizer", Level::kSound,
       "NaN and infinities do no harm and change no other element", &check_quantizer_non_finite},
      {"values", "range", Level::kSound,
       "finite and ordered, or a refusal, also with NaN and infinities", &check_range_values},
      {"non_finite", "norm", Level::kSound,
       "a batch with NaN or infinities is refused, or does not outlive its step",
       &check_norm_non_finite},
      {"inference", "norm", Level::kSound, "evaluation is scale * x + shift of inference()",
       &check_inference},
      {"values", "rounding", Level::kSound, "goes to a neighbouring integer, leaves integers alone",
       &check_rounding_values},
      {"sums", "accumulator", Level::kSound,
       "small integers add up exactly; an exact accumulator is exact", &check_accumulator_sums},
      {"learned", "quantizer", Level::kSound,
       "learned parameters have names, gradients and a fixed place in memory", &check_learned},
      {"gradient", "quantizer", Level::kSound,
       "what the manifest's \"gradient\" names has the slopes of the surrogate",
       &check_quantizer_gradient},
      {"gradient", "norm", Level::kSound,
       "gamma, beta and what the manifest's \"gradient\" names have the slopes of y",
       &check_norm_gradient},
      {"allocations", "quantizer range norm rounding accumulator", Level::kStrict,
       "[pure] calls ask for no memory", &check_allocations},
      {"manifest", "*", Level::kStrict,
       "the formula and every parameter are described, examples and defaults hold",
       &check_manifest},
  };
  return all;
}

const char* name(Level level) {
  constexpr const char* kNames[] = {"abi", "sound", "strict"};
  return kNames[static_cast<int>(level)];
}

}  // namespace qloom::check
