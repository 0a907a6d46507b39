// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer to whole numbers that breaks exactly one promise, named by its file (fault.hpp), or
// by the macro UNSOUND_<CASE> where it is about the library. The checker must find each, by the
// check that makes the promise.
#include <atomic>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <vector>

#include <unistd.h>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

// What a case needs in memory of its own.
#if defined(UNSOUND_EXPORTS_MORE)
extern "C" QLOOM_EXPORT int another_export;
int another_export = 1;
#endif
#if defined(UNSOUND_THREAD_DESTRUCTOR)
struct Destroyed {
  std::vector<float> memory;
  ~Destroyed() { memory.clear(); }
};
thread_local Destroyed destroyed;
#endif

#if defined(UNSOUND_UNIQUE_SYMBOL) && defined(__clang__)
// What gcc makes by itself of a static variable in an inline function.
asm(".pushsection .bss\n.globl unsound_count\n.type unsound_count, @gnu_unique_object\n"
    ".size unsound_count, 4\n.balign 4\nunsound_count: .zero 4\n.popsection");
extern "C" QLOOM_EXPORT int unsound_count;
template <class T>
struct Counter {
  static T& count() { return unsound_count; }
};
#elif defined(UNSOUND_UNIQUE_SYMBOL)
template <class T>
struct QLOOM_EXPORT Counter {
  static T& count() {
    static T n = 0;
    return n;
  }
};
#endif
#if defined(UNSOUND_LINKS_ZLIB)
extern "C" const char* zlibVersion();
#endif

namespace {

using namespace qloom::sdk;

[[maybe_unused]] std::atomic<std::uint64_t> calls{0};  // state outside of the instance
[[maybe_unused]] volatile float sink = 0;
[[maybe_unused]] volatile bool is_for_ever = true;
float common_room[4096];
float* volatile leaked = nullptr;

class Unsound {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 1;
  static constexpr std::uint32_t kStateVersion = 2;

  explicit Unsound(const Params& params) : bits_(params.integer("/bits")) {}

  ~Unsound() {
    if (!fault_.is("leaks_in_destroy")) delete[] owned_;
  }
  Unsound(const Unsound& other) { *this = other; }
  Unsound& operator=(const Unsound& other) {
    bits_ = other.bits_;
    scale_ = other.scale_;
    first_scale_ = other.first_scale_;
    return *this;
  }

  void prepare(const qloom_prepare& in) {
    const float first = in.step == 0 ? 1.0F : 0.5F;  // only a new instance sees step 0
    if (fault_.is("saves_one_group") && scale_.size() == 1) scale_.resize(in.x.groups, scale_[0]);
    if (scale_.empty()) scale_.assign(in.x.groups, first);
    if (first_scale_.empty()) first_scale_ = scale_;
    if (owned_ == nullptr) owned_ = new float[8];
    scratch_.resize(4096);
    if (fault_.is("learns_in_evaluation") && in.training == 0) scale_[0] *= 1.5F;
    do_late_or_aside(in.step);
    if (scale_.size() != in.x.groups) throw Error(QLOOM_E_INVALID, "other groups than before");
    if (fault_.is("moves_learned")) {
      spare_ = scale_;
      scale_.swap(spare_);
    }
  }

  /// Element i of the block in steps of its scale, rounded and clamped; NaN becomes the least.
  float rounded(const qloom_call& call, const qloom_block& block, const float* x, std::uint64_t i,
                qloom_status& status) const noexcept {
    const float top = static_cast<float>((1 << (bits_ - 1)) - 1);
    const float t = x[i] / scale_[group_of(block, block.first + i)];
    float y = 0;
    qloom_call used = call;
    if (fault_.is("ignores_step")) used.step = 0;
    status = kernels().round(&used, block.first + i, &t, &y, 1);
    y = y > top ? top : y > -top ? y : -top;
    return y + 0.0F;  // no negative zero
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    qloom_status status = QLOOM_OK;
    qloom_block seen = block;
    if (fault_.is("encodes_by_group_0")) seen.groups = 1;
    for (std::uint64_t i = 0; i < block.n && status == QLOOM_OK; ++i) {
      code[i] = static_cast<std::int32_t>(rounded(call, seen, x, i, status));
      if (x[i] > 2.0F && fault_.is("wide_codes")) code[i] = 1 << bits_;
      if (x[i] > 2.0F && fault_.is("encodes_otherwise")) code[i] = 0;
    }
    return status;
  }
  void decode(const qloom_block& block, const std::int32_t* code, float* y) const noexcept {
    for (std::uint64_t i = 0; i < block.n; ++i) {
      y[i] = static_cast<float>(code[i]) * scale_[group_of(block, block.first + i)];
    }
  }

  qloom_status apply(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    qloom_status status = QLOOM_OK;
    for (std::uint64_t i = 0; i < block.n && status == QLOOM_OK; ++i) {
      const float steps = rounded(call, block, x, i, status);
      y[i] = steps * scale_[group_of(block, block.first + i)] + (fault_.is("adds_to_y") ? y[i] : 0);
    }
    if (status != QLOOM_OK) return status;
    break_promise(call, block, x, y);
    break_state(block, y);
    return QLOOM_OK;
  }

  void backward_prepare(const qloom_tensor& x, const qloom_tensor&) { kept_ = x.data; }
  qloom_status backward(const qloom_call&, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    const float top = static_cast<float>((1 << (bits_ - 1)) - 1);
    if (fault_.is("keeps_pointer")) x = kept_ + block.first;
    const std::uint64_t first = fault_.is("sums_by_tensor") ? 0 : block.group_first;
    for (std::uint64_t i = 0; i < block.n; ++i) {
      const std::uint64_t g = group_of(block, block.first + i);
      const float t = x[i] / scale_[g], limit = t > 0 ? top : -top;
      const bool is_inside = t > -top && t < top;
      const double slope = is_inside ? 0.0 : double{dy[i]} * double{limit};
      sums[g - first] = slope + (fault_.is("assigns_sums") ? 0.0 : sums[g - first]);
      dx[i] = is_inside ? dy[i] : 0.0F;
      if (fault_.is("wrong_in_channels") && g > 0) dx[i] *= 0.75F;
      if (fault_.is("wrong_gradient")) dx[i] = dy[i] * 0.75F;
    }
    return QLOOM_OK;
  }
  bool learned(std::uint32_t index, qloom_learned& out) {
    if (index > 0) return false;
    out.name = "scale";
    out.value = scale_.data();
    out.count = scale_.size();
    return true;
  }
  void learned_gradients(const double* sums, std::uint64_t groups, float* const* gradients) {
    for (std::uint64_t g = 0; g < groups; ++g) gradients[0][g] = static_cast<float>(sums[g]);
  }
  void encoding(qloom_encoding& out) const {
    zeros_.assign(scale_.size(), 0);
    ends_.assign(2 * scale_.size(), (1 << (bits_ - 1)) - 1);
    for (std::size_t g = 0; g < scale_.size(); ++g) ends_[g] = -ends_[g];
    told_ = scale_;
    if (fault_.is("tells_group_0")) told_.assign(scale_.size(), scale_[0]);
    out.kind = QLOOM_ENCODING_AFFINE;
    out.bits = static_cast<std::uint32_t>(bits_);
    out.is_signed = 1;
    out.groups = scale_.size();
    widths_.assign(scale_.size(), fault_.is("widths_beyond_bits") ? 64.0F : 1.0F);
    if (fault_.is("claims_one_bit") || fault_.is("widths_beyond_bits")) {
      out.bits_of_group = widths_.data();
    }
    out.grid = {told_.data(),  told_.data(), nullptr,
                zeros_.data(), ends_.data(), ends_.data() + scale_.size()};
    break_encoding(out);
  }
  template <class Archive>
  void state(Archive& archive) {
    constexpr bool kIsSaving = std::is_same_v<Archive, StateWriter>;
    if (fault_.is("forgets_state")) {
      std::vector<float> nothing;
      archive("scale", nothing);
    } else if (fault_.is("saves_first_scale")) {
      archive("scale", kIsSaving ? first_scale_ : scale_);
    } else if (fault_.is("saves_one_group") && kIsSaving && !scale_.empty()) {
      std::vector<float> one(1, scale_[0]);
      archive("scale", one);
    } else if (!(fault_.is("keeps_what_it_has") && !kIsSaving && !scale_.empty())) {
      archive("scale", scale_);
    }
    if (fault_.is("changed_by_saving") && kIsSaving && !scale_.empty()) scale_[0] *= 1.25F;
    const bool is_usual = scale_.empty() || (scale_[0] > 0.25F && scale_[0] < 4.0F);
    if (fault_.is("trusts_state") && !is_usual) std::abort();
  }

 private:
  void break_encoding(qloom_encoding& out) const {
    if (fault_.is("tells_many_groups")) out.groups = 1'000'000;
    if (fault_.is("tells_no_grid")) out.grid = {};
    if (fault_.is("tells_99_bits")) out.bits = 99;
    if (fault_.is("tells_scale_of_nan")) told_[0] = std::numeric_limits<float>::quiet_NaN();
  }

  /// After a correct apply(): the case's own fault.
  void break_promise(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    if (block.n > 1000 && fault_.is("crashes")) std::abort();
    if (block.n > 1000 && fault_.is("exits")) std::_Exit(0);
    while (fault_.is("never_ends") && is_for_ever) {
    }
    if (block.n % 16 == 5 && fault_.is("writes_after")) y[block.n] = 1.0F;
    if (block.n % 16 == 5 && fault_.is("writes_before")) y[-1] = 1.0F;
    if (block.n == 7 && fault_.is("changes_input")) const_cast<float*>(x)[3] = 0.0F;
    if (fault_.is("rounding_direction")) set_rounding(kTowardZero);
    if (fault_.is("flushes_to_zero")) set_flush_to_zero();
    if (fault_.is("allocates")) {
      const std::vector<float> copy(x, x + block.n);
      sink = copy.empty() ? 0.0F : copy[0];
    }
    if (block.n == 0) return;
    if (fault_.is("keeps_a_count")) y[0] += static_cast<float>(++calls % 1000);
    if (fault_.is("depends_on_blocks")) y[block.n - 1] = 0.0F;
    if (fault_.is("depends_on_threads")) {
      static thread_local const float mine = static_cast<float>(++calls % 64);
      y[0] += mine;
    }
    const bool is_scalar = kernels().isa == QLOOM_ISA_SCALAR;
    if (fault_.is("depends_on_isa") && !is_scalar) y[0] += 1.0F;
    const bool is_generic = call.rounding.rule == QLOOM_ROUND_GENERIC;
    if (fault_.is("depends_on_lowering") && is_generic) y[0] += 1.0F;
    float sum = 0;
    for (std::uint64_t i = 0; i < block.n; ++i) sum += x[i];
    for (std::uint64_t i = 0; i < block.n; ++i) {
      if (fault_.is("spreads_nan") && sum != sum) y[i] += 1.0F;
      if (fault_.is("gives_nan") && x[i] == 0.0F) y[i] += 0.0F / x[i];
    }
#if defined(UNSOUND_UNIQUE_SYMBOL)
    sink = static_cast<float>(++Counter<int>::count());
#elif defined(UNSOUND_LINKS_ZLIB)
    sink = static_cast<float>(zlibVersion()[0]);
#elif defined(UNSOUND_THREAD_DESTRUCTOR)
    destroyed.memory.resize(1);
#endif
  }

  /// Faults of prepare() that are not about its results.
  void do_late_or_aside(std::uint64_t step) {
    if (fault_.is("leaks_in_prepare")) leaked = new float[16];
    if (fault_.is("rounds_late") && step >= 5) set_rounding(kUpward);
    if (fault_.is("rounds_in_parallel")) {
      for_each(64, [](std::uint64_t) noexcept {
        if (is_on_worker()) set_rounding(kUpward);
      });
    }
    if (fault_.is("sleeps")) ::pause();
    break_process(fault_);
  }
  /// Faults of apply() that write where a [pure] call must not.
  void break_state(const qloom_block& block, float* y) const noexcept {
    if (fault_.is("rounds_on_workers") && is_on_worker()) set_rounding(kUpward);
    if (fault_.is("counts_calls")) ++count_;
    float* const room = fault_.is("races_in_instance") ? scratch_.data() : common_room;
    if (!fault_.is("races_in_instance") && !fault_.is("races_in_library")) return;
    pass_through(room, y, std::min<std::uint64_t>(block.n, 4096));
  }

  Fault fault_;
  std::int64_t bits_;
  std::vector<float> scale_, spare_, first_scale_;
  mutable std::vector<float> told_, widths_, scratch_;
  mutable std::vector<std::int32_t> zeros_, ends_;
  mutable std::uint64_t count_ = 0;
  float* owned_ = nullptr;
  const float* kept_ = nullptr;
};

}  // namespace

QLOOM_METHODS(Quantizer<Unsound>)
