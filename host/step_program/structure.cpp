// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Everything about a step program that can be said without going through its values.
#include <algorithm>
#include <set>

#include "host/step_program/fault.hpp"
#include "host/step_program/tensors.hpp"

namespace qloom::step_program {
namespace {

using program::require;

constexpr std::int64_t kMostElements = std::int64_t{1} << 28;
constexpr std::int64_t kMostExtent = 65536;
constexpr int kMostShift = 30;  // of normalise and stochastic: their results are codes

std::string text_of(const Shape& shape) { return fmt::format("{}", fmt::join(shape, " x ")); }

/// A letter or "_", then letters, digits, "_", "." and "-".
bool is_step_name(const std::string& name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto may_follow = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
  };
  return !name.empty() && is_letter(name[0]) && std::all_of(name.begin(), name.end(), may_follow);
}

void require_step_name(const std::string& name, std::set<std::string>& taken,
                       const std::string& at) {
  require(is_step_name(name), at + "/name",
          "\"{}\", expected a letter or \"_\", then letters, digits, \"_\", \".\", \"-\"", name);
  require(taken.insert(name).second, at + "/name", "\"{}\" stands twice", name);
}

void require_tensor(const Tensor& tensor, const std::string& at) {
  const std::size_t axes = tensor.shape.size();
  const bool fits = tensor.each == Each::kSample    ? axes == 3
                    : tensor.each == Each::kWeights ? axes == 2 || axes == 4
                                                    : tensor.shape == Shape{1};
  require(fits, at + "/shape",
          "{}, expected height, width, channels of a sample, 2 or 4 axes of "
          "weights, 1 of a step",
          text_of(tensor.shape));
  std::int64_t elements = 1;
  for (const std::int64_t extent : tensor.shape) {
    require(extent >= 1 && extent <= kMostElements / elements, at + "/shape",
            "{}, expected extents from 1 on and at most {} elements", text_of(tensor.shape),
            kMostElements);
    elements *= extent;
  }
  require(tensor.type.bits >= 1 && tensor.type.bits <= 64, at + "/type",
          "{} bits, expected 1 to 64", tensor.type.bits);
}

void require_pair(std::int64_t a, std::int64_t b, std::int64_t least, const std::string& at) {
  require(a >= least && a <= kMostExtent && b >= least && b <= kMostExtent, at,
          "{} x {}, expected {} to {}", a, b, least, kMostExtent);
}

/// The window moves over x and has a place for each of y; of products w has its shape.
void require_window(const Program& program, const Op& op, const std::string& at) {
  const ContractionShape& w = op.window;
  require_pair(w.kernel_h, w.kernel_w, 1, at + "/kernel");
  require_pair(w.stride_h, w.stride_w, 1, at + "/stride");
  require_pair(w.dilation_h, w.dilation_w, 1, at + "/dilation");
  require_pair(w.pad_top, w.pad_bottom, 0, at + "/pad");
  require_pair(w.pad_left, w.pad_right, 0, at + "/pad");
  const bool is_pool = !traits_of(op.kind).is_product;
  require(!is_pool || (w.pad_top < w.kernel_h && w.pad_bottom < w.kernel_h &&
                       w.pad_left < w.kernel_w && w.pad_right < w.kernel_w),
          at + "/pad", "as large as the kernel: a window outside of x");
  require(!is_pool || (w.dilation_h == 1 && w.dilation_w == 1), at + "/dilation",
          "{} x {}, expected 1 x 1 of a pool", w.dilation_h, w.dilation_w);
  const Parts parts = parts_of(op);
  for (const int tensor : {parts.x, parts.y}) {
    require(program.tensor(tensor).each == Each::kSample, at + "/in",
            "\"{}\" is of {}, expected one of each sample", program.tensor(tensor).name,
            name_of(program.tensor(tensor).each));
  }
  const Extent x = extent_of(program.tensor(parts.x), is_dense(op.kind));
  const Extent y = extent_of(program.tensor(parts.y), is_dense(op.kind));
  require(w.batch == 1 && w.in_h == x.height && w.in_w == x.width && w.in_c == x.channels &&
              w.out_c == y.channels,
          at, "a window that is not of \"{}\"", program.tensor(parts.x).name);
  require(w.groups >= 1 && w.in_c % w.groups == 0 && w.out_c % w.groups == 0, at + "/groups",
          "{}, which does not divide {} and {} channels", w.groups, w.in_c, w.out_c);
  require(w.in_h + w.pad_top + w.pad_bottom >= w.extent_h() &&
              w.in_w + w.pad_left + w.pad_right >= w.extent_w() && y.height == w.out_h() &&
              y.width == w.out_w(),
          at + "/kernel", "the window has another number of places than \"{}\", {}",
          program.tensor(parts.y).name, text_of(program.tensor(parts.y).shape));
  if (is_pool) {
    require(x.channels == y.channels, at, "{} channels become {}", x.channels, y.channels);
    return;
  }
  const Tensor& weights = program.tensor(parts.w);
  require(weights.each == Each::kWeights && weights.shape == weights_shape(w, is_dense(op.kind)),
          at + "/in", "\"{}\" is {}, expected weights {}", weights.name, text_of(weights.shape),
          text_of(weights_shape(w, is_dense(op.kind))));
}

/// Checks one operation after the other; remembers who wrote what.
class StructureCheck {
 public:
  explicit StructureCheck(const Program& program)
      : program_(program), writers_(program.tensors.size(), kNobody) {}

  void run() {
    std::set<std::string> names;
    for (std::size_t i = 0; i < program_.tensors.size(); ++i) {
      const std::string at = fmt::format("/tensors/{}", i);
      require_step_name(program_.tensors[i].name, names, at);
      require_tensor(program_.tensors[i], at);
    }
    require(program_.batch >= 1 && program_.batch <= kMostExtent, "/batch", "{}, expected 1 to {}",
            program_.batch, kMostExtent);
    begin();
    std::set<std::string> ops;
    for (std::size_t i = 0; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      const std::string at = pointer_of(program_, i);
      require_step_name(op.name, ops, at);
      require(i == 0 || program_.ops[i - 1].section <= op.section, at,
              "stands behind a later section");
      require_op(op, at);
      writers_[static_cast<std::size_t>(op.output)] = static_cast<int>(i);
    }
    end();
  }

 private:
  static constexpr int kNobody = -1, kGiven = -2;

  [[nodiscard]] int writer(int tensor) const { return writers_[static_cast<std::size_t>(tensor)]; }
  [[nodiscard]] const Tensor& tensor(int index) const { return program_.tensor(index); }

  void require_known(int index, const std::string& at) const {
    require(index >= 0 && static_cast<std::size_t>(index) < program_.tensors.size(), at,
            "tensor {} of {}", index, program_.tensors.size());
  }

  void begin() {
    require_known(program_.images, "/images");
    require(tensor(program_.images).each == Each::kSample, "/images",
            "\"{}\" is not one of each sample", tensor(program_.images).name);
    writers_[static_cast<std::size_t>(program_.images)] = kGiven;
    for (std::size_t i = 0; i < program_.parameters.size(); ++i) {
      const Parameter& parameter = program_.parameters[i];
      const std::string at = fmt::format("/parameters/{}", i);
      require_known(parameter.tensor, at + "/tensor");
      require_known(parameter.next, at + "/next");
      const Tensor& weights = tensor(parameter.tensor);
      require(weights.each == Each::kWeights && writer(parameter.tensor) == kNobody, at + "/tensor",
              "\"{}\" is no weights, or stands twice", weights.name);
      require(static_cast<std::int64_t>(parameter.initial.size()) == weights.size(),
              at + "/initial", "{} numbers, expected {}", parameter.initial.size(), weights.size());
      writers_[static_cast<std::size_t>(parameter.tensor)] = kGiven;
    }
  }

  /// All is written, weights by updates of themselves, and the logits can be read.
  void end() const {
    for (std::size_t i = 0; i < writers_.size(); ++i) {
      require(writers_[i] != kNobody, fmt::format("/tensors/{}", i), "\"{}\" is written by nobody",
              program_.tensors[i].name);
    }
    for (std::size_t i = 0; i < program_.parameters.size(); ++i) {
      const Parameter& parameter = program_.parameters[i];
      const int by = writer(parameter.next);
      const bool is_update =
          by >= 0 && program_.ops[static_cast<std::size_t>(by)].kind == Kind::kUpdate &&
          program_.ops[static_cast<std::size_t>(by)].inputs[0] == parameter.tensor;
      require(is_update, fmt::format("/parameters/{}/next", i),
              "\"{}\" is not written by an update of \"{}\"", tensor(parameter.next).name,
              tensor(parameter.tensor).name);
    }
    require_known(program_.logits, "/logits");
    const Tensor& logits = tensor(program_.logits);
    const int by = writer(program_.logits);
    require(logits.each == Each::kSample && logits.shape[0] == 1 && logits.shape[1] == 1 &&
                by >= 0 && program_.ops[static_cast<std::size_t>(by)].section == Section::kForward,
            "/logits", "\"{}\" is no vector that the section forward writes", logits.name);
  }

  void require_op(const Op& op, const std::string& at) const {
    const Traits traits = traits_of(op.kind);
    require(op.inputs.size() == traits.inputs, at + "/in", "{} tensors, expected {}",
            op.inputs.size(), traits.inputs);
    for (std::size_t i = 0; i < op.inputs.size(); ++i) {
      const std::string place = fmt::format("{}/in/{}", at, i);
      require_known(op.inputs[i], place);
      require(writer(op.inputs[i]) != kNobody, place, "\"{}\" is written later",
              tensor(op.inputs[i]).name);
    }
    require_known(op.output, at + "/out");
    require(writer(op.output) == kNobody, at + "/out", "\"{}\" is written already",
            tensor(op.output).name);
    if (traits.has_window || traits.is_product) return require_windowed(op, at);
    require_pointwise(op, at);
    require_numbers(op, at);
  }

  void require_windowed(const Op& op, const std::string& at) const {
    require_window(program_, op, at);
    if (op.kind != Kind::kRoute) return;
    const int by = writer(op.inputs[1]);
    const Op* places = by < 0 ? nullptr : &program_.ops[static_cast<std::size_t>(by)];
    require(places != nullptr && places->kind == Kind::kMaxPlace && places->window == op.window,
            at + "/in/1", "\"{}\" is no max_place of the same window", tensor(op.inputs[1]).name);
  }

  /// Shapes of operations that work element by element, or on all elements.
  void require_pointwise(const Op& op, const std::string& at) const {
    const Tensor &x = tensor(op.inputs[0]), &y = tensor(op.output);
    if (op.kind == Kind::kExponent) {
      require(y.each == Each::kStep, at + "/out", "\"{}\" is of {}, expected one number of a step",
              y.name, name_of(y.each));
      return;
    }
    require(x.each != Each::kStep && x.each == y.each && x.shape == y.shape, at + "/out",
            "\"{}\" is {}, expected {}", y.name, text_of(y.shape), text_of(x.shape));
    if (op.inputs.size() == 1) return;
    const Tensor& second = tensor(op.inputs[1]);
    if (op.kind == Kind::kNormalise || op.kind == Kind::kStochastic) {
      const int by = writer(op.inputs[1]);
      const bool fits = by >= 0 &&
                        program_.ops[static_cast<std::size_t>(by)].kind == Kind::kExponent &&
                        program_.ops[static_cast<std::size_t>(by)].inputs[0] == op.inputs[0];
      require(fits, at + "/in/1", "\"{}\" is not the exponent of \"{}\"", second.name, x.name);
      return;
    }
    require(second.each == x.each && second.shape == x.shape, at + "/in/1",
            "\"{}\" is {}, expected {}", second.name, text_of(second.shape), text_of(x.shape));
  }

  static void require_in(const std::string& at, const char* key, int value, int least, int most) {
    require(value >= least && value <= most, fmt::format("{}/{}", at, key), "{}, expected {} to {}",
            value, least, most);
  }

  static void require_random(const Op& op, const std::string& at) {
    require_in(at, "random_bits", op.random_bits, 1, op.lfsr ? 16 : 32);
    require(!op.lfsr || op.lfsr->state != 0, at + "/lfsr/state",
            "0, from which the register does not move");
    require(!op.rates.empty() && op.rates[0].step == 0, at + "/rates",
            "expected the first one at step 0");
    for (std::size_t i = 0; i < op.rates.size(); ++i) {
      require_in(at, "rates", op.rates[i].shift, -kMostShift, kMostShift);
      require(i == 0 || op.rates[i - 1].step < op.rates[i].step, at + "/rates",
              "steps do not ascend");
    }
  }

  void require_numbers(const Op& op, const std::string& at) const {
    if (op.kind == Kind::kSignificant) require_in(at, "bits", op.bits, 2, 62);
    if (op.kind == Kind::kStochastic) require_random(op, at);
    if (op.kind == Kind::kNormalise) {
      require(op.low <= 0 && op.high >= 0, at + "/low", "{} to {}, expected 0 between them", op.low,
              op.high);
      require_in(at, "bits", op.bits, 0, kMostShift);
    }
    if (op.kind == Kind::kSubtractLabel) {
      const Tensor& x = tensor(op.inputs[0]);
      require(x.shape[0] == 1 && x.shape[1] == 1, at + "/in/0", "\"{}\" is no vector", x.name);
    }
  }

  const Program& program_;
  std::vector<int> writers_;
};

}  // namespace

std::string pointer_of(const Program& program, std::size_t op) {
  const Section section = program.ops[op].section;
  const auto before =
      std::count_if(program.ops.begin(), program.ops.begin() + static_cast<std::ptrdiff_t>(op),
                    [&](const Op& other) { return other.section == section; });
  return fmt::format("/{}/{}", name_of(section), before);
}

void require_structure(const Program& program) { StructureCheck(program).run(); }

}  // namespace qloom::step_program
