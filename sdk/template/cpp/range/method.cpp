// @ID@: see plugin.json for what it does. The places to change are marked CHANGE.
#include <qloom/observed.hpp>
#include <qloom/sdk.hpp>

#include "qloom_manifest.h"

namespace {

using namespace qloom::sdk;

class Method {
 public:
  explicit Method(const Params& params) : factor_(params.number("/factor")) {}

  /// A round of observations starts. The context says what the range is for: bits, signs, levels.
  void begin(const qloom_range_context&, std::uint32_t) {
    lo_.clear();
    hi_.clear();
  }

  /// CHANGE: one more tensor. x.groups groups want a range each; reduce() and the other kernels
  /// work on the host's threads and give the same bits for any number of them.
  void observe(const qloom_tensor& x) {
    extremes_.find(x);
    widen(lo_, hi_, extremes_.lo, extremes_.hi);
  }

  /// CHANGE: one range per group, from what was observed.
  void ranges(std::span<qloom_range> out) const {
    write_ranges(out, lo_, hi_);
    for (qloom_range& r : out) {
      r.hi = factor_ * std::max(-r.lo, r.hi);
      r.lo = -r.hi;
    }
  }

  /// What a checkpoint keeps: every member that observe() changed.
  template <class Archive>
  void state(Archive& archive) {
    archive("lo", lo_);
    archive("hi", hi_);
  }

 private:
  double factor_;
  Extremes extremes_;            // of the newest tensor, finite values only
  std::vector<double> lo_, hi_;  // smallest and largest value so far, one per group
};

}  // namespace

QLOOM_METHODS(Range<Method>)
