// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A quantizer to whole numbers that breaks exactly one promise, named by the macro UNSOUND_<CASE>;
// UNSOUND_NOTHING breaks none. The checker must find each, by the check that makes the promise.
#include <atomic>
#include <cstdlib>
#include <vector>

#include <qloom/sdk.hpp>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

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

#if defined(UNSOUND_UNIQUE_SYMBOL)
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

class Unsound {
 public:
  static constexpr std::uint32_t kCaps = QLOOM_QUANTIZER_USES_ROUNDING;
  static constexpr std::uint64_t kSumsPerGroup = 1;
  static constexpr std::uint32_t kStateVersion = 2;

  explicit Unsound(const Params& params) : bits_(params.integer("/bits")) {}

  void prepare(const qloom_prepare& in) {
    const float first = in.step == 0 ? 1.0F : 0.5F;  // only a new instance sees step 0
    if (scale_.empty()) scale_.assign(in.x.groups, first);
    if (scale_.size() != in.x.groups) throw Error(QLOOM_E_INVALID, "other groups than before");
#if defined(UNSOUND_MOVES_LEARNED)
    spare_ = scale_;
    scale_.swap(spare_);
#endif
  }

  /// Element i of the block in steps of its scale, rounded and clamped; NaN becomes the least.
  float rounded(const qloom_call& call, const qloom_block& block, const float* x, std::uint64_t i,
                qloom_status& status) const noexcept {
    const float top = static_cast<float>((1 << (bits_ - 1)) - 1);
    const float t = x[i] / scale_[group_of(block, block.first + i)];
    float y = 0;
    status = kernels().round(&call, block.first + i, &t, &y, 1);
    y = y > top ? top : y > -top ? y : -top;
    return y + 0.0F;  // no negative zero
  }
  qloom_status encode(const qloom_call& call, const qloom_block& block, const float* x,
                      std::int32_t* code) const noexcept {
    qloom_status status = QLOOM_OK;
    for (std::uint64_t i = 0; i < block.n && status == QLOOM_OK; ++i) {
      code[i] = static_cast<std::int32_t>(rounded(call, block, x, i, status));
#if defined(UNSOUND_WIDE_CODES)
      if (x[i] > 2.0F) code[i] = 1 << bits_;
#elif defined(UNSOUND_ENCODES_OTHERWISE)
      if (x[i] > 2.0F) code[i] = 0;
#endif
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
      y[i] = steps * scale_[group_of(block, block.first + i)];
    }
    if (status != QLOOM_OK) return status;
    break_promise(call, block, x, y);
    return QLOOM_OK;
  }

  qloom_status backward(const qloom_call&, const qloom_block& block, const float* x,
                        const float* dy, float* dx, double* sums) const noexcept {
    const float top = static_cast<float>((1 << (bits_ - 1)) - 1);
    for (std::uint64_t i = 0; i < block.n; ++i) {
      const std::uint64_t g = group_of(block, block.first + i);
      const float t = x[i] / scale_[g], limit = t > 0 ? top : -top;
      const bool is_inside = t > -top && t < top;
      sums[g - block.group_first] += is_inside ? 0.0 : double{dy[i]} * double{limit};
      dx[i] = is_inside ? dy[i] : 0.0F;
#if defined(UNSOUND_WRONG_GRADIENT)
      dx[i] = dy[i] * 0.75F;
#endif
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
    zeros_.assign(scale_.size(), 0.0F);
    ends_.assign(2 * scale_.size(), static_cast<float>((1 << (bits_ - 1)) - 1));
    for (std::size_t g = 0; g < scale_.size(); ++g) ends_[g] = -ends_[g];
    out.kind = QLOOM_ENCODING_AFFINE;
    out.bits = static_cast<std::uint32_t>(bits_);
    out.is_signed = 1;
    out.groups = scale_.size();
    out.grid = {scale_.data(), scale_.data(), zeros_.data(),
                nullptr,       ends_.data(),  ends_.data() + scale_.size()};
  }
  template <class Archive>
  void state(Archive& archive) {
#if defined(UNSOUND_FORGETS_STATE)
    std::vector<float> nothing;
    archive("scale", nothing);
#else
    archive("scale", scale_);
#endif
#if defined(UNSOUND_TRUSTS_STATE)
    if (!scale_.empty() && !(scale_[0] > 0.25F && scale_[0] < 4.0F)) std::abort();
#endif
  }

 private:
  /// After a correct apply(): the case's own fault.
  void break_promise(const qloom_call& call, const qloom_block& block, const float* x,
                     float* y) const noexcept {
    (void)call, (void)block, (void)x, (void)y;
#if defined(UNSOUND_CRASHES)
    if (block.n > 1000) std::abort();
#elif defined(UNSOUND_EXITS)
    if (block.n > 1000) std::_Exit(0);
#elif defined(UNSOUND_NEVER_ENDS)
    while (is_for_ever) {
    }
#elif defined(UNSOUND_WRITES_AFTER)
    if (block.n % 16 == 5) y[block.n] = 1.0F;
#elif defined(UNSOUND_WRITES_BEFORE)
    if (block.n % 16 == 5) y[-1] = 1.0F;
#elif defined(UNSOUND_CHANGES_INPUT)
    if (block.n == 7) const_cast<float*>(x)[3] = 0.0F;
#elif defined(UNSOUND_ROUNDING_DIRECTION)
    _mm_setcsr(_mm_getcsr() | 0x6000U);
#elif defined(UNSOUND_FLUSHES_TO_ZERO)
    _mm_setcsr(_mm_getcsr() | 0x8040U);
#elif defined(UNSOUND_ALLOCATES)
    const std::vector<float> copy(x, x + block.n);
    sink = copy.empty() ? 0.0F : copy[0];
#elif defined(UNSOUND_KEEPS_A_COUNT)
    if (block.n > 0) y[0] += static_cast<float>(++calls % 1000);
#elif defined(UNSOUND_DEPENDS_ON_BLOCKS)
    if (block.n > 0) y[block.n - 1] = 0.0F;
#elif defined(UNSOUND_DEPENDS_ON_THREADS)
    static thread_local const float mine = static_cast<float>(++calls % 64);
    if (block.n > 0) y[0] += mine;
#elif defined(UNSOUND_DEPENDS_ON_ISA)
    if (kernels().isa != QLOOM_ISA_SCALAR && block.n > 0) y[0] += 1.0F;
#elif defined(UNSOUND_DEPENDS_ON_LOWERING)
    if (call.rounding.rule == QLOOM_ROUND_GENERIC && block.n > 0) y[0] += 1.0F;
#elif defined(UNSOUND_SPREADS_NAN)
    float sum = 0;
    for (std::uint64_t i = 0; i < block.n; ++i) sum += x[i];
    for (std::uint64_t i = 0; i < block.n; ++i) y[i] += sum != sum ? 1.0F : 0.0F;
#elif defined(UNSOUND_GIVES_NAN)
    for (std::uint64_t i = 0; i < block.n; ++i) y[i] += x[i] == 0.0F ? 0.0F / x[i] : 0.0F;
#endif
#if defined(UNSOUND_UNIQUE_SYMBOL)
    sink = static_cast<float>(++Counter<int>::count());
#elif defined(UNSOUND_LINKS_ZLIB)
    sink = static_cast<float>(zlibVersion()[0]);
#elif defined(UNSOUND_THREAD_DESTRUCTOR)
    destroyed.memory.resize(1);
#endif
  }

  std::int64_t bits_;
  std::vector<float> scale_, spare_;
  mutable std::vector<float> zeros_, ends_;
};

}  // namespace

QLOOM_METHODS(Quantizer<Unsound>)
