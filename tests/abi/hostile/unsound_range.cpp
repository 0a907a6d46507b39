// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Smallest and largest value so far; breaks the promise named by its file, see fault.hpp.
#include <algorithm>
#include <limits>
#include <vector>

#include <qloom/sdk.hpp>

#include "fault.hpp"
#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

float* volatile leaked = nullptr;

class Unsound {
 public:
  explicit Unsound(const Params&) {}

  void begin(const qloom_range_context&, std::uint32_t) {
    break_process(fault_);
    if (fault_.is("leaks_in_begin")) leaked = new float[4];
  }
  void observe(const qloom_tensor& x) {
    const auto all = QLOOM_REDUCE_MIN, most = QLOOM_REDUCE_MAX;
    require_finite(x);
    std::vector<double> lo = reduce(x, all), hi = reduce(x, most);
    if (fault_.is("looks_at_group_0")) {
      std::fill(lo.begin(), lo.end(), lo[0]);
      std::fill(hi.begin(), hi.end(), hi[0]);
    } else if (fault_.is("looks_at_all_groups")) {
      std::fill(hi.begin(), hi.end(), *std::max_element(hi.begin(), hi.end()));
    }
    if (fault_.is("keeps_pointer")) kept_ = x.data;
    merge(lo, hi);
  }
  void observe_extremes(std::span<const double> lo, std::span<const double> hi) {
    std::vector<double> least(lo.begin(), lo.end()), most(hi.begin(), hi.end());
    if (fault_.is("other_extremes")) {
      for (std::size_t g = 0; g < least.size(); ++g) least[g] = std::min(least[g], -most[g]);
    }
    merge(least, most);
  }
  void end(std::uint32_t) {
    if (++rounds_ >= 5 && fault_.is("rounds_late")) set_rounding(kUpward);
  }
  void ranges(std::span<qloom_range> out) const {
    if (lo_.size() != out.size()) throw Error(QLOOM_E_ORDER, "no data for these groups");
    for (std::size_t g = 0; g < out.size(); ++g) out[g] = {lo_[g], hi_[g]};
    if (kept_ != nullptr) out[0].lo = std::min(out[0].lo, double{kept_[0]});
    if (fault_.is("widens_when_asked")) hi_[0] += 1.0;
  }
  template <class Archive>
  void state(Archive& archive) {
    if (fault_.is("saves_one_group") && std::is_same_v<Archive, StateWriter> && !lo_.empty()) {
      std::vector<double> lo(lo_.size(), lo_[0]), hi(hi_.size(), hi_[0]);
      archive("lo", lo);
      archive("hi", hi);
      return;
    }
    archive("lo", lo_);
    std::vector<double> hi = hi_;
    archive("hi", hi);
    if (!fault_.is("forgets_the_end")) hi_ = hi;
    if (std::is_same_v<Archive, StateReader> && hi_.size() != lo_.size()) {
      if (!fault_.is("forgets_the_end")) throw Error(QLOOM_E_STATE, "lo and hi differ in size");
      hi_ = lo_;
    }
  }

 private:
  void merge(const std::vector<double>& lo, const std::vector<double>& hi) {
    if (lo_.size() != lo.size()) {
      if (!lo_.empty()) throw Error(QLOOM_E_INVALID, "other groups than before");
      lo_ = lo;
      hi_ = hi;
    }
    for (std::size_t g = 0; g < lo.size(); ++g) {
      lo_[g] = std::min(lo_[g], lo[g]);
      hi_[g] = std::max(hi_[g], hi[g]);
    }
  }
  Fault fault_;
  std::vector<double> lo_;
  mutable std::vector<double> hi_;
  std::uint64_t rounds_ = 0;
  const float* kept_ = nullptr;
};

}  // namespace

QLOOM_METHODS(Range<Unsound>)
