// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// What a site is: a place in a network where a method may act. One table says all that the host
// knows of them; a new site is one row of it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <qloom/abi.h>

namespace qloom::sites {

enum class Owner {
  kContraction,  ///< layers that add products
  kNorm,
  kNetwork,  ///< the model's last layer stands for it
  kLayer     ///< any layer; the last one of its group stands for all of them (network/groups.hpp)
};

/// Which of its owner's values passes there.
enum class Value {
  kInput,         ///< what the owner reads,
  kNetworkInput,  ///< where no contraction lies between it and the network's input
  kOutput,        ///< what it hands on
  kWeight,
  kBias,
  kError,    ///< dL/d(output)
  kErrorDx,  ///< on its way into the input's gradient alone
  kErrorDw,  ///< on its way into the weight's gradient alone
  kGradient,
  kUpdate,
  kMomentum,
  kSlot,  ///< internals of a norm
  kSumForward,
  kSumDx,
  kSumDw
};

struct Site {
  const char* name;  ///< as rules write it
  Owner owner;
  Value value;
  std::uint32_t role;  ///< QLOOM_SITE_*
  bool is_in_star;     ///< does "*" stand for it?
  const char* like;    ///< methods that are for this other site are for it too; "": none

  [[nodiscard]] bool takes_accumulator() const { return role == QLOOM_SITE_SUM; }
  /// A stored parameter on its way to a contraction.
  [[nodiscard]] bool is_stored() const {
    return owner == Owner::kContraction && (value == Value::kWeight || value == Value::kBias);
  }
  /// An operand of a contraction that its shape may pad.
  [[nodiscard]] bool is_read_by_contraction() const {
    return owner == Owner::kContraction &&
           (value == Value::kInput || value == Value::kNetworkInput);
  }
  /// A layer's output, which may be codes of the sums that the layer makes.
  [[nodiscard]] bool stands_behind_sums() const {
    return owner == Owner::kLayer || owner == Owner::kNetwork;
  }
  /// Is it one of the two uses that the site "error" stands for?
  [[nodiscard]] bool is_use_of_error() const {
    return value == Value::kErrorDx || value == Value::kErrorDw;
  }
  /// Does anything pass there in training only?
  [[nodiscard]] bool is_of_training() const {
    return role == QLOOM_SITE_ERROR || role == QLOOM_SITE_GRADIENT || role == QLOOM_SITE_UPDATE ||
           value == Value::kSumDx || value == Value::kSumDw;
  }
  /// Are there as many values as the batch is large, in its order?
  [[nodiscard]] bool has_batch_axis() const {
    return role == QLOOM_SITE_ACTIVATION || role == QLOOM_SITE_ERROR;
  }
  /// Are ranges learned in training and calibration, and kept for evaluation? Otherwise each tensor
  /// has its own.
  [[nodiscard]] bool tracks_range() const { return role == QLOOM_SITE_ACTIVATION; }
  /// Axis of granularity "channel"; negative counts from the last.
  [[nodiscard]] int channel_axis() const { return has_batch_axis() ? -1 : 0; }
};

/// All sites, in the order in which rules, reports and messages list them.
[[nodiscard]] std::span<const Site> table();
/// The row of a name, or null.
[[nodiscard]] const Site* find(std::string_view name);
/// The row of an owner's value; there is one.
[[nodiscard]] const Site& at(Owner owner, Value value);

/// Internals of a norm that a rule for the site "norm" may name.
inline constexpr const char* kNormSlots[] = {"mean", "inv_scale", "gamma", "beta"};

/// A site of a layer: the identity of what reads a value there. Text only where a file or a message
/// needs it.
struct SiteKey {
  SiteKey() = default;
  SiteKey(const Site& of, std::string layer_name, std::string slot_name = {})
      : site(&of), layer(std::move(layer_name)), slot(std::move(slot_name)) {}
  /// "weight/conv1", "norm/bn1/inv_scale"; nothing where the text is no site of a layer.
  [[nodiscard]] static std::optional<SiteKey> parse(std::string_view text);
  /// What parse() reads.
  [[nodiscard]] std::string text() const;

  [[nodiscard]] bool is(std::string_view site_name) const { return site->name == site_name; }
  bool operator==(const SiteKey&) const = default;
  /// As their texts are ordered, as long as no layer's name begins with another's.
  std::strong_ordering operator<=>(const SiteKey& other) const;

  const Site* site = nullptr;
  std::string layer, slot;  ///< slot: of the site "norm", otherwise empty
};

/// The site as methods are told; borrows the key's texts. `channels` and `fan_in` as in qloom_site,
/// 0 where they are not known yet.
[[nodiscard]] qloom_site record_of(const SiteKey& key, std::uint64_t channels = 0,
                                   std::uint64_t fan_in = 0);

}  // namespace qloom::sites
