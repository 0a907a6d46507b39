// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// A model that can be lowered, run and trained. Lowering turns the model's layers and a placement
// into a list of nodes; quantize nodes stand between the layers, which know nothing of them. The
// same nodes serve training, calibration and evaluation.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/contraction/contraction.hpp"
#include "host/network/gradients.hpp"
#include "host/network/model.hpp"
#include "host/network/norm_layer.hpp"
#include "host/network/parameter.hpp"
#include "host/sites/placement.hpp"

namespace qloom::network {

/// Last part of the name of the array with a reader's methods, as text.
inline constexpr const char* kSiteMethods = "@methods";

/// One step of the lowered plan.
struct Node {
  /// kQuantizeError hands values on and quantizes the gradients that come back.
  enum class Type { kInput, kQuantize, kQuantizeError, kLayer } type = Type::kLayer;
  std::string name;              ///< layer name, or the text of the first reader's key
  const Layer* layer = nullptr;  ///< kLayer
  std::vector<int> inputs;       ///< nodes
  SampleShape out_shape;
  bool needs_gradient = true;  ///< false: nothing trainable lies below
  int readers = 0;             ///< nodes that read the value
  Shape shape;                 ///< (batch, height, width, channels) of the present pass
  Tensor out;
  const Tensor* value = nullptr;  ///< out, the input's value where the node does nothing, or the
                                  ///< reader's where one pass computed both and only that is kept
  Gradient gradient;              ///< dL/d(value), pending

  std::shared_ptr<SiteQuantizer> site;  ///< kQuantize, kQuantizeError
  std::vector<SiteKey> keys;            ///< kQuantize: of each reader
  Parameter *weight = nullptr, *bias = nullptr;
  std::shared_ptr<NormLayer> norm;
  std::shared_ptr<SiteQuantizer> error, error_dx, error_dw;
  Contraction contraction;
  Operand input_operand, weight_operand;  ///< as the last forward saw them
  const Tensor *error_dx_value = nullptr,
               *error_dw_value = nullptr;  ///< quantized dL/d(value) of
                                           ///< the last backward, where all are kept
  std::array<SiteKey, 3> accumulators;     ///< of the sums forward, dx, dw
  std::vector<std::int32_t> places;        ///< what a layer keeps for its gradient
};

class Network {
 public:
  Network(Model model, const registry::Registry& registry, std::uint64_t seed);
  Network(const Network&) = delete;  // nodes point into the network
  Network& operator=(const Network&) = delete;

  /// For a network that is only checked: from now on parameters are made without their values.
  void plan_only() { has_values_ = false; }
  /// Builds the nodes for this placement. Each reader of a quantize node keeps what its node held
  /// before, whether it had that node for itself or shared it, where keeps_state() allows it.
  void lower(const Placement& placement);
  /// Seeded initial weights: normal sqrt(2 / fan_in) or uniform +-sqrt(6 / fan_in) (He et al.,
  /// 2015), biases and beta 0, gamma 1.
  void initialise();

  /// x is (batch, height, width, channels); returns the logits (batch, classes).
  const Tensor& forward(const Tensor& x, const Pass& pass);
  /// From dL/dlogits: the parameters' gradients (overwritten) and the quantizers' learned ones.
  void backward(const Tensor& logits_gradient);
  /// false: every layer and quantizer runs in a pass of its own, and all gradients of the last
  /// backward() stay in nodes()[i]->gradient. The same bits as with true, the default.
  void fuse(bool fuses);
  /// One optimizer step on all parameters; `count` steps were done before.
  void update(const OptimizerSettings& settings, const Phase& phase, std::uint64_t count);

  /// Creates every method of the set anew, from its library's present code, with the state of the
  /// one it replaces. InputError or RunError when one is refused or refuses the state: nothing has
  /// changed then.
  void renew(const std::set<const registry::Method*>& methods);

  /// Sites with ranges to calibrate, in node order.
  [[nodiscard]] std::vector<SiteQuantizer*> calibrated_sites();

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const Placement& placement() const { return placement_; }
  /// In the order of layers.
  [[nodiscard]] const std::vector<Parameter*>& parameters() const { return ordered_parameters_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Node>>& nodes() const { return nodes_; }
  [[nodiscard]] std::vector<Node*> norms();
  /// Sites by reader; readers that share a node have the same one.
  [[nodiscard]] const std::map<SiteKey, std::shared_ptr<SiteQuantizer>>& sites() const {
    return sites_;
  }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& overflows() const { return overflows_; }
  /// The contraction whose only reader is this norm layer, or -1.
  [[nodiscard]] int producer_of(int norm_layer) const;
  /// The norm hands its input on from the next lower() on; its producer gets a zero bias if it has
  /// none.
  void remove_norm(int norm_layer);
  /// Are there values that evaluation uses in place of the parameters'?
  [[nodiscard]] bool has_shadows() const;
  /// The norms' statistics of the shadows become their own; see NormLayer::add_shadow().
  void add_shadow_norms();
  void drop_shadows();
  /// Of the last forward(); quantized() takes its step from it.
  [[nodiscard]] const Phase& last_phase() const { return pass_.phase; }
  void set_last_phase(const Phase& phase) { pass_.phase = phase; }
  /// Name of the first node, in order, whose values are not all finite, of a parameter or of a
  /// learned one, or "". Only what the last pass got to: other buffers hold anything.
  [[nodiscard]] std::string first_non_finite() const;
  /// The form of a parameter that the contraction saw in the last pass.
  [[nodiscard]] const Tensor& last_seen(const Parameter& parameter) const;
  /// The quantized form of a parameter with its present value (evaluation's random words); the
  /// value itself where nothing has been trained or calibrated with the quantizer.
  const Tensor& quantized(Parameter& parameter);

  /// Parameters and norm statistics; with `everything` also optimizer state, sites and shadows.
  [[nodiscard]] data::Arrays save(bool everything) const;
  /// Removed norms of a checkpoint, to be called before lower() and load().
  void load_structure(data::ArrayReader& reader);
  /// Starting weights: parameters of any type that to_float32() takes, norm statistics where the
  /// file has them. InputError when an array is missing, of another type or shape.
  void load_weights(data::ArrayReader& reader);
  /// All that save(true) wrote, types and shapes exactly; InputError as above.
  void load_everything(data::ArrayReader& reader);
  /// What save(true) wrote of the quantize nodes becomes what the next lower() finds at each
  /// reader. InputError when an array is not what save() writes.
  void recall_sites(data::ArrayReader& reader);
  /// Shadows, and their norm statistics, where the file has them.
  void load_shadows(data::ArrayReader& reader);

 private:
  /// The node that quantizes what node `input` hands on, or at sites of errors what comes back to
  /// it, for one reader; `input` without a rule.
  int add_quantize(const SiteKey& key, int input, std::int64_t fan_in = 0);
  void add_layer(std::size_t index);
  void lower_contraction(Node& node, bool has_input_gradient);
  void lower_norm(Node& node, int index);
  /// InputError when an integer accumulator would get operands without integer codes.
  void check_accumulators(const Node& node, bool has_input_gradient) const;
  std::shared_ptr<SiteQuantizer> site(const SiteKey& key, std::int64_t channels,
                                      std::int64_t fan_in, bool after_relu = false);
  /// What the rules put at a reader, or null; `signed: auto` as the site has it.
  [[nodiscard]] std::optional<QuantizerSpec> spec_at(const SiteKey& key) const;
  /// What the reader's node held before the present lower(), or null.
  [[nodiscard]] const SiteState* before(const SiteKey& key) const;
  /// Fills before_ from the present nodes.
  void remember_sites();
  /// Does reader `key` lose nothing when it reads the node of reader `first`?
  [[nodiscard]] bool can_share(const SiteKey& first, const SiteKey& key,
                               const QuantizerSpec& spec) const;
  /// Optimizer state of learned parameters, from one node to another.
  void move_learned_state(const SiteKey& from, const SiteKey& to);
  Parameter* parameter(const Layer& layer, std::uint32_t role, Shape shape, std::int64_t fan_in);
  void order_parameters();
  /// InputError when groups of a weight, or of what becomes of it, reach over an output channel.
  void check_weight_groups(const Parameter& weight, const Layer& layer) const;
  void attach_update_sites(Parameter& parameter, const Layer& layer);
  [[nodiscard]] bool is_after_relu(int node) const;
  [[nodiscard]] bool is_network_input(int node) const;
  [[nodiscard]] AccumulatorRef accumulator(const Node& node, std::size_t sum);
  void load_learned_state(data::ArrayReader& reader);

  /// Does the node work element by element in this pass?
  [[nodiscard]] bool is_elementwise(const Node& node) const;
  /// Does its gradient too?
  [[nodiscard]] bool has_elementwise_gradient(const Node& node) const;
  /// Can one pass do the work of node `index` after that of node index - 1, whose only reader it
  /// is? A pass hands out blocks of whole rows of `channels`.
  [[nodiscard]] bool continues_run(std::size_t index) const;
  /// Element-wise nodes from `first` on in one pass; returns how many.
  std::size_t forward_run(std::size_t first);
  void apply_run(std::size_t first, std::size_t count, std::uint64_t begin, std::uint64_t n);
  void forward_layer(Node& node);
  void forward_contraction(Node& node);
  /// Element-wise nodes from `last` downwards in one pass, two with a norm; returns how many.
  std::size_t backward_run(std::size_t last);
  struct BackwardRun;
  void apply_backward_run(const BackwardRun& run, std::uint64_t begin, std::uint64_t n);
  void finish_backward_run(const BackwardRun& run, Buffer* dx);
  void backward_layer(Node& node);
  void backward_quantize(Node& node, Buffer* dy);
  void backward_same_bytes(Node& input, Buffer* dy);
  void backward_contraction(Node& node, Buffer* dy);
  /// One buffer with the node's gradient; its addends have one user less.
  Buffer* collect(Node& node);
  /// One more addend; takes over one use of the buffer.
  void deliver(Node& node, Buffer* addend);
  [[nodiscard]] ContractionShape contraction_shape(const Node& node) const {
    return node.layer->type->contraction(*node.layer, batch_);
  }
  /// The values and shapes that a layer reads.
  [[nodiscard]] layers::Inputs inputs_of(const Node& node);
  [[nodiscard]] layers::Step step() const {
    return {seed_, pass_.phase.step, pass_.phase.training};
  }

  Model model_;
  const registry::Registry* registry_;
  std::uint64_t seed_;
  Placement placement_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<int> node_of_layer_;
  std::map<SiteKey, std::shared_ptr<SiteQuantizer>> sites_, old_sites_;
  std::map<SiteKey, std::shared_ptr<const SiteState>> before_;  ///< by reader
  std::map<std::string, std::shared_ptr<NormLayer>> norms_, old_norms_;
  std::map<std::string, std::unique_ptr<Parameter>> parameters_;
  std::vector<Parameter*> ordered_parameters_;
  struct AccumulatorSite {
    AccumulatorSpec spec;
    registry::Instance accumulator, rounding;
    std::string name;  ///< "accumulator.forward/conv1"
  };
  static qloom_status accumulate(const AccumulatorRef& ref, const qloom_call& call,
                                 const qloom_tile& tile, std::uint64_t& overflows) noexcept;
  std::map<SiteKey, AccumulatorSite> accumulators_;
  struct LearnedState {
    std::vector<float> velocity, second;
  };
  std::map<std::string, LearnedState> learned_state_, old_learned_state_;  ///< "<node>/<name>"
  std::map<std::string, std::uint64_t> overflows_;
  std::uint64_t uncounted_ = 0;
  std::vector<bool> is_removed_;
  BufferPool buffers_;
  std::vector<Tensor*> run_values_;         ///< of the present run: where each node's values go
  std::vector<const float*> input_values_;  ///< of inputs_of()
  std::vector<SampleShape> input_shapes_;
  bool fuses_ = true;
  bool has_values_ = true;
  Pass pass_;
  std::int64_t batch_ = 0;
  std::size_t computed_ = 0;    ///< nodes whose values are those of the last forward()
  bool has_gradients_ = false;  ///< backward() has got through since
};

}  // namespace qloom::network
