// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// reference/accumulate.hpp, vectorized across results, so that the order of every sum holds.
#pragma once

#include "host/kernels/core.hpp"
#include "host/kernels/simd/random.hpp"
#include "host/kernels/simd/round.hpp"

namespace qloom::kernels::simd {

/// A batch of float columns as batches of T.
template <class Arch, class T>
struct Columns {
  static constexpr std::uint64_t kBatches = sizeof(T) / sizeof(float);
  xsimd::batch<T, Arch> part[kBatches];
  explicit Columns(const Floats<Arch>& v) noexcept {
    if constexpr (kBatches == 1) {
      part[0] = v;
    } else {
      const Widened<Arch> wide = widen<Arch>(v);
      part[0] = wide.low;
      part[1] = wide.high;
    }
  }
};

/// First n results of kWidth lanes to c.
template <class Arch, class T>
inline void store_results(const xsimd::batch<T, Arch>* total, double* c, std::uint64_t n) noexcept {
  alignas(64) T lanes[kWidth<Arch>];
  for (std::uint64_t b = 0; b < Columns<Arch, T>::kBatches; ++b) {
    total[b].store_aligned(lanes + b * xsimd::batch<T, Arch>::size);
  }
  for (std::uint64_t l = 0; l < n; ++l) c[l] = static_cast<double>(lanes[l]);
}

/// Sum of all lanes, which hold counts.
template <class Arch, class T>
inline std::uint64_t total_of(const xsimd::batch<T, Arch>& counts) noexcept {
  alignas(64) T lanes[xsimd::batch<T, Arch>::size];
  counts.store_aligned(lanes);
  std::uint64_t sum = 0;
  for (const T lane : lanes) sum += static_cast<std::uint64_t>(lane);
  return sum;
}

/// An integer register whose sums T holds exactly.
template <class Arch, class T, bool Wrap>
struct Register {
  using B = xsimd::batch<T, Arch>;
  explicit Register(const IntegerJob& job) noexcept
      : min(static_cast<T>(job.min)), max(static_cast<T>(job.max)),
        modulus(static_cast<T>(job.max - job.min + 1.0)),
        inverse(static_cast<T>(1.0 / (job.max - job.min + 1.0))) {}
  B settle(const B& sum) const noexcept {
    if constexpr (Wrap) return sum - modulus * Integral<B>::down((sum - min) * inverse);
    else return xsimd::min(xsimd::max(sum, min), max);
  }
  B min, max, modulus, inverse;
};

/// Rows x one batch of columns; returns overflows. Overflows are counted in T, which is exact for
/// fewer than kCountLimit additions, then moved to an integer.
template <class Arch, class T, bool Wrap, std::uint64_t Rows, class Io>
inline std::uint64_t integer_rows(const IntegerJob& job, const Io& io, std::uint64_t row,
                                  std::uint64_t column, std::uint64_t columns) noexcept {
  using B = xsimd::batch<T, Arch>;
  constexpr std::uint64_t kBatches = Columns<Arch, T>::kBatches, kCountLimit = 1U << 20;
  const qloom_tile& tile = *job.tile;
  const Register<Arch, T, Wrap> reg(job);
  const float* a = tile.a + static_cast<std::int64_t>(row) * tile.lda;
  const float* b = tile.b + column;
  B total[Rows][kBatches];
  for (auto& r : total) for (B& t : r) t = B(T(0));
  std::uint64_t overflows = 0;
  for (std::uint64_t start = 0; start < tile.k; start += kCountLimit) {
    const std::uint64_t end = tile.k - start < kCountLimit ? tile.k : start + kCountLimit;
    B count[Rows];
    for (B& n : count) n = B(T(0));
    for (std::uint64_t k = start; k < end; ++k) {
      const Columns<Arch, T> right(io.load(b + static_cast<std::int64_t>(k) * tile.ldb));
      for (std::uint64_t r = 0; r < Rows; ++r) {
        const B left(static_cast<T>(a[static_cast<std::int64_t>(r) * tile.lda +
                                      static_cast<std::int64_t>(k)]));
        for (std::uint64_t p = 0; p < kBatches; ++p) {
          const B sum = total[r][p] + left * right.part[p];
          total[r][p] = reg.settle(sum);
          count[r] = count[r] + xsimd::select(sum != total[r][p], B(T(1)), B(T(0)));
        }
      }
    }
    for (const B& n : count) overflows += total_of<Arch, T>(n);
  }
  for (std::uint64_t r = 0; r < Rows; ++r) {
    double* c = tile.c + static_cast<std::int64_t>(row + r) * tile.ldc + column;
    store_results<Arch, T>(total[r], c, columns);
  }
  return overflows;
}

template <class Arch, class T, bool Wrap>
std::uint64_t accumulate_integer(const IntegerJob& job) noexcept {
  constexpr std::uint64_t kRowBlock = 8 * sizeof(float) / sizeof(T);
  const qloom_tile& tile = *job.tile;
  std::uint64_t overflows = 0;
  each_batch<Arch>(tile.n, [&](const auto& io, std::uint64_t j) {
    const std::uint64_t n = tile.n - j < kWidth<Arch> ? tile.n - j : kWidth<Arch>;
    std::uint64_t i = 0;
    for (; i + kRowBlock <= tile.m; i += kRowBlock) {
      overflows += integer_rows<Arch, T, Wrap, kRowBlock>(job, io, i, j, n);
    }
    for (; i < tile.m; ++i) overflows += integer_rows<Arch, T, Wrap, 1>(job, io, i, j, n);
  });
  return overflows;
}

/// ref::round_sum for a batch of sums, rule R.
template <class Arch, std::uint32_t R>
class SumRounder {
 public:
  using D = Doubles<Arch>;
  using Integer = Integral<D>;
  using Bits = xsimd::batch<std::int64_t, Arch>;

  explicit SumRounder(const FloatJob& job) noexcept
      : smallest_(__builtin_ldexp(1.0, job.spec.exponent_min)),
        per_step_(__builtin_ldexp(1.0, job.spec.mantissa_bits)),
        step_(__builtin_ldexp(1.0, -job.spec.mantissa_bits)),
        flush_below_(static_cast<double>(job.spec.flush_below)),
        max_value_(static_cast<double>(job.spec.max_value)),
        limit_(static_cast<double>(job.spec.overflow_value)),
        limit_sign_(job.spec.overflow_signed != 0 ? -0.0 : 0.0),
        keep_zero_sign_(job.spec.unsigned_zero != 0 ? 0.0 : -0.0),
        draws_(__builtin_ldexp(1.0, static_cast<int>(job.bits))) {}

  /// word: the lanes' random words >> (32 - bits), or the top bit, as doubles
  D operator()(const D& sum, const D& word, D& overflows) const noexcept {
    const D sign = sum & D(-0.0);
    const D kept = xsimd::select(xsimd::abs(sum) < flush_below_, sign, sum);
    const D above = xsimd::max(xsimd::abs(kept), smallest_);
    // 2^E and 2^-E by their exponent fields
    const Bits field = xsimd::bitwise_cast<Bits>(above) & Bits(0x7FF0000000000000);
    const D power = xsimd::bitwise_cast<D>(field);
    const D inverse = xsimd::bitwise_cast<D>(Bits(0x7FE0000000000000) - field);
    const D t = kept * (inverse * per_step_);
    const D y = rounded(t, word) * (power * step_);
    const auto finite = xsimd::abs(sum) < D(__builtin_inf());
    const auto over = (xsimd::abs(y) > max_value_) && finite;
    overflows = overflows + xsimd::select(over, D(1.0), D(0.0));
    const D limited = xsimd::select(over, limit_ | (y & limit_sign_), y + keep_zero_sign_);
    return xsimd::select(finite, limited, sum);
  }

 private:
  D rounded(const D& t, const D& word) const noexcept {
    if constexpr (R == QLOOM_ROUND_NEAREST_EVEN) return Integer::nearest(t);
    else if constexpr (R == QLOOM_ROUND_TOWARD_ZERO) return Integer::toward_zero(t);
    else if constexpr (R == QLOOM_ROUND_TOWARD_NEGATIVE) return Integer::down(t);
    else if constexpr (R == QLOOM_ROUND_TOWARD_POSITIVE) return Integer::up(t);
    else if constexpr (R == QLOOM_ROUND_NEAREST_AWAY) {
      const D y = Integer::toward_zero(t);
      return xsimd::select(xsimd::abs(t - y) >= D(0.5), y + (D(1.0) | (t & D(-0.0))), y);
    } else if constexpr (R == QLOOM_ROUND_NEAREST_UP) {
      const D down = Integer::down(t);
      return xsimd::select(t - down >= D(0.5), down + D(1.0), down);
    } else {
      return drawn(t, word);
    }
  }
  /// ref::split_steps, the stochastic rules on its part, and the even integer back.
  D drawn(const D& t, const D& word) const noexcept {
    const D sign = t & D(-0.0), magnitude = xsimd::abs(t);
    const D even = D(2.0) * Integer::down(magnitude * D(0.5));
    const D scaled = (magnitude - even) * D(0x1p23);
    const D cut = Integer::down(scaled);
    const D low_bit = cut - D(2.0) * Integer::down(cut * D(0.5));
    const D kept = xsimd::select((cut != scaled) && (low_bit == D(0.0)), cut + D(1.0), cut);
    const D part = (kept * D(0x1p-23)) | sign;
    const D down = Integer::down(part), fraction = part - down;
    if constexpr (R == QLOOM_ROUND_STOCHASTIC_EQUAL) {
      const auto up = (fraction != D(0.0)) && (word == D(1.0));
      return joined(even | sign, xsimd::select(up, down + D(1.0), down));
    } else {
      const auto up = word < Integer::down(fraction * draws_);
      return joined(even | sign, xsimd::select(up, down + D(1.0), down));
    }
  }
  static D joined(const D& even, const D& part) noexcept {
    return xsimd::select(even == D(0.0), part, even + part);
  }

  D smallest_, per_step_, step_, flush_below_, max_value_, limit_, limit_sign_, keep_zero_sign_,
      draws_;
};

/// Random words of one row and a batch of columns, made kAdditions at a time and turned so that a
/// batch holds the words of one addition.
template <class Arch, std::uint32_t R>
class RowWords {
 public:
  static constexpr std::uint64_t kAdditions = 64;
  static constexpr bool kDraws = R == QLOOM_ROUND_STOCHASTIC || R == kStochasticWide ||
                                 R == QLOOM_ROUND_STOCHASTIC_EQUAL;

  RowWords(const FloatJob& job, std::uint64_t result, std::uint64_t columns) noexcept
      : job_(job), result_(result), columns_(columns),
        shift_(R == QLOOM_ROUND_STOCHASTIC_EQUAL ? 31 : 32 - job.bits) {
    if constexpr (kDraws) std::memset(words_, 0, sizeof(words_));
  }
  /// Words of the next addition.
  Columns<Arch, double> next() noexcept {
    if constexpr (!kDraws) return Columns<Arch, double>(Floats<Arch>(0.0F));
    if (used_ % kAdditions == 0) refill();
    const std::uint64_t a = used_++ % kAdditions;
    alignas(64) double lanes[kWidth<Arch>];
    for (std::uint64_t l = 0; l < kWidth<Arch>; ++l) {
      lanes[l] = static_cast<double>(words_[l][a] >> shift_);
    }
    Columns<Arch, double> out(Floats<Arch>(0.0F));
    out.part[0] = Doubles<Arch>::load_aligned(lanes);
    out.part[1] = Doubles<Arch>::load_aligned(lanes + Doubles<Arch>::size);
    return out;
  }

 private:
  void refill() noexcept {
    const std::uint64_t left = job_.additions - used_;
    const std::uint64_t n = left < kAdditions ? left : kAdditions;
    for (std::uint64_t l = 0; l < columns_; ++l) {
      random_u32<Arch>(job_.seed, job_.stream, job_.step,
                       (result_ + l) * job_.additions + used_, words_[l], n);
    }
  }
  const FloatJob& job_;
  std::uint64_t result_, columns_, used_ = 0;
  std::uint32_t shift_;
  std::uint32_t words_[kDraws ? kWidth<Arch> : 1][kAdditions];
};

/// Accumulators of Rows x one batch of columns.
template <class Arch, std::uint32_t R, std::uint64_t Rows>
struct FloatBlock {
  using D = Doubles<Arch>;
  static_assert(Rows == 1 || !RowWords<Arch, R>::kDraws);

  FloatBlock() noexcept {
    for (auto& t : total) t[0] = t[1] = D(0.0);
  }
  /// Products begin .. end - 1 into s, then s into total.
  template <class Io>
  void add_chunk(const SumRounder<Arch, R>& round_sum, RowWords<Arch, R>& words, const Io& io,
                 const qloom_tile& tile, const float* a, const float* b, std::uint64_t begin,
                 std::uint64_t end) noexcept {
    D s[Rows][2];
    for (auto& t : s) t[0] = t[1] = D(0.0);
    for (std::uint64_t k = begin; k < end; ++k) {
      const Floats<Arch> right = io.load(b + static_cast<std::int64_t>(k) * tile.ldb);
      const Columns<Arch, double> word = words.next();
      for (std::uint64_t r = 0; r < Rows; ++r) {
        const Floats<Arch> left(
            a[static_cast<std::int64_t>(r) * tile.lda + static_cast<std::int64_t>(k)]);
        const Widened<Arch> product = widen<Arch>(left * right);
        s[r][0] = round_sum(s[r][0] + product.low, word.part[0], count[0]);
        s[r][1] = round_sum(s[r][1] + product.high, word.part[1], count[1]);
      }
    }
    const Columns<Arch, double> word = words.next();
    for (std::uint64_t r = 0; r < Rows; ++r) {
      total[r][0] = round_sum(total[r][0] + s[r][0], word.part[0], count[0]);
      total[r][1] = round_sum(total[r][1] + s[r][1], word.part[1], count[1]);
    }
  }
  /// Overflows of the first n lanes.
  [[nodiscard]] std::uint64_t overflows(std::uint64_t n) const noexcept {
    alignas(64) double lanes[kWidth<Arch>];
    count[0].store_aligned(lanes);
    count[1].store_aligned(lanes + D::size);
    std::uint64_t sum = 0;
    for (std::uint64_t l = 0; l < n; ++l) sum += static_cast<std::uint64_t>(lanes[l]);
    return sum;
  }

  D total[Rows][2];
  D count[2] = {D(0.0), D(0.0)};
};

/// Results of Rows x one batch of columns; returns overflows of the first `columns` lanes.
template <class Arch, std::uint32_t R, std::uint64_t Rows, class Io>
inline std::uint64_t float_rows(const FloatJob& job, const Io& io, std::uint64_t row,
                                std::uint64_t column, std::uint64_t columns) noexcept {
  using D = Doubles<Arch>;
  const qloom_tile& tile = *job.tile;
  const SumRounder<Arch, R> round_sum(job);
  const float* a = tile.a + static_cast<std::int64_t>(row) * tile.lda;
  RowWords<Arch, R> words(job, tile.first + row * tile.row_step + column, columns);
  FloatBlock<Arch, R, Rows> block;
  const std::uint64_t chunks = job.additions - tile.k;
  const std::uint64_t length = chunks == 1 ? tile.k : job.chunk;
  std::uint64_t begin = 0;
  for (std::uint64_t c = 0; c < chunks; ++c) {
    const std::uint64_t end = tile.k - begin < length ? tile.k : begin + length;
    block.add_chunk(round_sum, words, io, tile, a, tile.b + column, begin, end);
    begin = end;
  }
  for (std::uint64_t r = 0; r < Rows; ++r) {
    for (D& t : block.total[r]) t = xsimd::select(t == t, t, D(__builtin_nan("")));
    double* out = tile.c + static_cast<std::int64_t>(row + r) * tile.ldc + column;
    store_results<Arch, double>(block.total[r], out, columns);
  }
  return block.overflows(columns);
}

template <class Arch, std::uint32_t R>
std::uint64_t accumulate_float(const FloatJob& job) noexcept {
  constexpr std::uint64_t kRowBlock = RowWords<Arch, R>::kDraws ? 1 : 4;
  const qloom_tile& tile = *job.tile;
  std::uint64_t overflows = 0;
  each_batch<Arch>(tile.n, [&](const auto& io, std::uint64_t j) {
    const std::uint64_t n = tile.n - j < kWidth<Arch> ? tile.n - j : kWidth<Arch>;
    std::uint64_t i = 0;
    for (; i + kRowBlock <= tile.m; i += kRowBlock) {
      overflows += float_rows<Arch, R, kRowBlock>(job, io, i, j, n);
    }
    for (; i < tile.m; ++i) overflows += float_rows<Arch, R, 1>(job, io, i, j, n);
  });
  return overflows;
}

}  // namespace qloom::kernels::simd
