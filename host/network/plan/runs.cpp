// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Element-wise layers and quantizers that follow each other, in one pass over memory: a block goes
// through all of them while it lies in the cache. Each does what it does alone, so the bits are the
// same; only a norm or a range, which must see the whole tensor first, starts a new pass.
#include <algorithm>

#include "host/layers/common/elementwise.hpp"
#include "host/network/plan/execution.hpp"
#include "host/network/plan/requantize.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

/// Elements that go through a run at a time inside a block: whole rows, and whole tiles unless the
/// channels are awkward; the quantizers' random words and sums need whole tiles.
std::uint64_t chunk_of(std::uint64_t channels) {
  const std::uint64_t block = methods::pass_block(channels);
  const std::uint64_t rows = std::max<std::uint64_t>(1, kTileElements / channels);
  return block % kTileElements == 0 && kTileElements % channels == 0 ? kTileElements
         : block % kTileElements == 0                                ? block
                                                                     : rows * channels;
}

bool has_whole_tiles(const Node& node) {
  return methods::pass_block(static_cast<std::uint64_t>(node.out_shape.channels)) % kTileElements ==
         0;
}

using layers::Elementwise;

/// The record of a layer that works element by element, or null.
const Elementwise* elementwise(const Node& node) {
  if (node.type != Node::Type::kLayer || node.layer->type->elementwise.forward == nullptr) {
    return nullptr;
  }
  return &node.layer->type->elementwise;
}

/// Does backward() read the output of the node?
bool reads_output(const Node& node) {
  const Elementwise* layer = elementwise(node);
  return layer != nullptr && layer->reads == Elementwise::Reads::kOutput;
}

/// Does backward() read what goes into the node?
bool reads_input(const Node& node) {
  if (node.type == Node::Type::kQuantize) return true;
  const Elementwise* layer = elementwise(node);
  return layer != nullptr &&
         (layer->reads == Elementwise::Reads::kInput || node.layer->type->whole.reads_inputs);
}

/// Does each input get the node's gradient as it is?
bool shares_gradient(const Node& node) {
  const Elementwise* layer = elementwise(node);
  return layer != nullptr && layer->gradient == nullptr &&
         node.layer->type->whole.gradient == nullptr;
}

/// body(block, first, n) for the blocks of a pass over n elements.
template <class Body>
void for_each_pass_block(std::uint64_t n, std::uint64_t channels, const Body& body) {
  const std::uint64_t block = methods::pass_block(channels);
  for_each((n + block - 1) / block,
           [&](std::uint64_t i) { body(i, i * block, std::min(block, n - i * block)); });
}

/// Can one pass do the work of node `index` after that of node index - 1, whose only reader it is?
/// A pass hands out blocks of whole rows of `channels`.
bool continues_run(const Execution& e, std::size_t index) {
  if (!e.fuses || index >= e.nodes.size()) return false;
  const Node &node = *e.nodes[index], &before = *e.nodes[index - 1];
  if (!is_elementwise(e, node) || node.norm != nullptr || before.readers != 1) return false;
  if (node.reads_codes || node.requantized != nullptr) return false;  // all of them first
  const auto reads =
      std::count(node.inputs.begin(), node.inputs.end(), static_cast<int>(index) - 1);
  if (reads != 1) return false;
  return node.type != Node::Type::kQuantize || has_whole_tiles(node);
}

/// Where the values of a run go: into the node's own tensor where backward() or a later node reads
/// them, else into that of the node that comes after.
void place_values(Execution& e, std::size_t first, std::size_t count) {
  Tensor* kept = nullptr;
  e.run_values.resize(count);
  e.run_codes.resize(count);
  for (std::size_t i = first + count; i-- > first;) {
    Node& node = *e.nodes[i];
    const bool is_last = i + 1 == first + count, is_site = node.type == Node::Type::kQuantize;
    if (is_site) node.site->forward_start(node.shape, e.pass.phase);
    e.run_codes[i - first] = is_site ? place_codes(node) : nullptr;
    if (is_site && hands_on_codes_alone(e, node)) {
      kept = nullptr;  // the last of its run: no element-wise node reads it
    } else if (is_last || reads_output(node) || reads_input(*e.nodes[i + 1])) {
      node.out.resize(node.shape);
      kept = &node.out;
    }
    e.run_values[i - first] = kept;
    node.value = kept;
  }
}

/// A quantizer that must see all of its tensor first, or whose blocks are no whole tiles.
void quantize_alone(const Execution& e, const Tensor& x, Node& node) {
  node.site->begin_forward(x, e.pass.phase);
  CodedTensor* const codes = place_codes(node);
  node.value = hands_on_codes_alone(e, node) ? nullptr : &node.out;
  node.site->end_forward(x, node.value == nullptr ? nullptr : &node.out, codes);
}

void apply_run(Execution& e, std::size_t first, std::size_t count, std::uint64_t begin,
               std::uint64_t n) {
  const float* x = e.node(e.nodes[first]->inputs[0]).value->data() + begin;
  for (std::size_t i = first; i < first + count; ++i) {
    Node& node = *e.nodes[i];
    Tensor* const values = e.run_values[i - first];
    float* const y = values == nullptr ? nullptr : values->data() + begin;
    if (node.type == Node::Type::kQuantize) {
      node.site->forward_block(begin, n, x, y, e.run_codes[i - first]);
    } else if (node.norm != nullptr) {
      const auto channels = static_cast<std::uint64_t>(node.out_shape.channels);
      node.norm->apply(begin / channels, n / channels, x, y);
    } else {
      const float* second = nullptr;
      if (node.inputs.size() > 1) {
        const bool is_second = i > first && node.inputs[1] == static_cast<int>(i) - 1;
        const auto other = static_cast<std::size_t>(node.inputs[is_second ? 0 : 1]);
        second = e.nodes[other]->value->data() + begin;
      }
      elementwise(node)->forward(*node.layer, e.step(), {begin, n}, x, second, y);
    }
    x = y;
  }
}

/// The run in reverse order: gradients of quantizers and activations in place, then the sums of a
/// norm.
struct BackwardRun {
  std::size_t last, count;  ///< nodes last, last - 1, ...
  const float *dy, *more;   ///< addends; more may be null
  float* dx;                ///< dy itself where nothing changes it
};

/// A quantizer that must see all of its tensor, or whose blocks are no whole tiles.
void backward_quantize_alone(Execution& e, Node& head) {
  Node& input = e.node(head.inputs[0]);
  Buffer* dy = e.collect(head);
  Buffer* dx = BufferPool::is_writable(*dy) ? BufferPool::share(dy) : e.buffers.acquire(head.shape);
  head.site->backward(*input.value, dy->tensor, dx->tensor);
  e.buffers.release(dy);
  e.deliver(input, dx);
}

/// Nodes of the run that ends with node `last`.
std::size_t backward_count(const Execution& e, std::size_t last) {
  std::size_t count = 1;
  const auto joins = [&](std::size_t index) {  // node index is the input of node index + 1
    const Node &node = *e.nodes[index], &reader = *e.nodes[index + 1];
    if (!has_elementwise_gradient(e, node) || !node.needs_gradient || reader.norm != nullptr) {
      return false;
    }
    if (shares_gradient(reader) && node.norm == nullptr) return false;
    if (node.type == Node::Type::kQuantize &&
        (node.site->backward_needs_tensor() || !has_whole_tiles(node))) {
      return false;
    }
    return continues_run(e, index + 1);
  };
  while (last >= count && joins(last - count)) ++count;
  return count;
}

/// Does the run change what comes in?
bool start_backward_run(Execution& e, std::size_t last, std::size_t count) {
  bool changes = e.nodes[last]->gradient.addends[1] != nullptr;
  for (std::size_t i = last + 1 - count; i <= last; ++i) {
    Node& node = *e.nodes[i];
    changes |= node.type == Node::Type::kQuantize ||
               (elementwise(node) != nullptr && !shares_gradient(node));
    if (node.type == Node::Type::kQuantize) node.site->backward_start();
    if (node.norm != nullptr) node.norm->backward_start();
  }
  return changes;
}

void apply_backward_run(Execution& e, const BackwardRun& run, std::uint64_t begin,
                        std::uint64_t n) {
  const float* dy = run.dy + begin;
  float* dx = run.dx + begin;
  if (run.more != nullptr) {
    layers::add(dy, run.more + begin, dx, n);
    dy = dx;
  }
  for (std::size_t i = run.last; i > run.last - run.count; --i) {
    Node& node = *e.nodes[i];
    const float* x = e.node(node.inputs[0]).value->data() + begin;
    const Elementwise* layer = elementwise(node);
    if (node.type == Node::Type::kQuantize) {
      node.site->backward_block(begin, n, x, dy, dx);
    } else if (layer != nullptr && layer->gradient != nullptr) {
      const float* seen =
          layer->reads == Elementwise::Reads::kOutput ? node.value->data() + begin : x;
      layer->gradient(*node.layer, e.step(), {begin, n}, seen, dy, dx);
    } else {
      continue;
    }
    dy = dx;
  }
}

/// Learned parameters' sums, the second pass of a norm, and what the run's inputs get.
void finish_backward_run(Execution& e, const BackwardRun& run, Buffer* dx) {
  for (std::size_t i = run.last; i > run.last - run.count; --i) {
    Node& node = *e.nodes[i];
    if (node.type == Node::Type::kQuantize) node.site->backward_end();
    if (!shares_gradient(node)) continue;
    for (const int input : node.inputs) {  // the run's own input gets its share below
      if (input == static_cast<int>(i) - 1 && i - 1 > run.last - run.count) continue;
      e.deliver(e.node(input), BufferPool::share(dx));
    }
  }
  Node& end = *e.nodes[run.last - run.count + 1];
  Node& input = e.node(end.inputs[0]);
  if (shares_gradient(end)) return e.buffers.release(dx);
  if (end.norm == nullptr) return e.deliver(input, dx);
  end.norm->backward_prepare();
  if (!input.needs_gradient) return e.buffers.release(dx);
  Buffer* dy = dx;
  dx = BufferPool::is_writable(*dy) ? BufferPool::share(dy) : e.buffers.acquire(end.shape);
  const auto channels = static_cast<std::uint64_t>(end.out_shape.channels);
  const float *x = input.value->data(), *from = dy->tensor.data();
  float* to = dx->tensor.data();
  for_each_pass_block(
      dx->tensor.size(), channels, [&](std::uint64_t, std::uint64_t begin, std::uint64_t n) {
        end.norm->backward(begin / channels, n / channels, x + begin, from + begin, to + begin);
      });
  e.buffers.release(dy);
  e.deliver(input, dx);
}

}  // namespace

bool hands_on_codes_alone(const Execution& e, const Node& node) {
  return e.fuses && node.readers > 0 && node.lone_code_readers == node.readers &&
         node.site->is_coded_alone();
}

CodedTensor* place_codes(Node& node) {
  node.codes.clear();
  if (node.code_readers == 0 || !node.site->is_coded()) return nullptr;
  node.site->resize(node.codes);
  return &node.codes;
}

bool is_elementwise(const Execution& e, const Node& node) {
  if (node.type == Node::Type::kQuantize) return e.pass.rules == Pass::Rules::kOn;
  return node.norm != nullptr || elementwise(node) != nullptr;
}

bool has_elementwise_gradient(const Execution& e, const Node& node) {
  return is_elementwise(e, node) &&
         (elementwise(node) == nullptr || node.layer->type->whole.gradient == nullptr);
}

std::size_t forward_run(Execution& e, std::size_t first) {
  Node& head = *e.nodes[first];
  const Tensor& x = *e.node(head.inputs[0]).value;
  if (head.requantized != nullptr) {
    forward_requantized(e, head);
    return 1;
  }
  if (head.type == Node::Type::kQuantize &&
      (head.site->needs_tensor(e.pass.phase) || !has_whole_tiles(head))) {
    quantize_alone(e, x, head);
    return 1;
  }
  if (head.norm != nullptr) head.norm->start(x, e.pass);
  std::size_t count = 1;
  const auto joins = [&](std::size_t index) {
    if (!continues_run(e, index)) return false;
    const Node& node = *e.nodes[index];
    return node.type != Node::Type::kQuantize || !node.site->needs_tensor(e.pass.phase);
  };
  while (joins(first + count)) ++count;
  place_values(e, first, count);
  const auto channels = static_cast<std::uint64_t>(head.out_shape.channels);
  const std::uint64_t chunk = chunk_of(channels);
  for_each_pass_block(x.size(), channels, [&](std::uint64_t, std::uint64_t begin, std::uint64_t n) {
    for (const std::uint64_t end = begin + n; begin < end; begin += chunk) {
      apply_run(e, first, count, begin, std::min(chunk, end - begin));
    }
  });
  for (std::size_t i = first; i < first + count; ++i) {
    if (e.nodes[i]->type == Node::Type::kQuantize) e.nodes[i]->site->forward_end();
  }
  return count;
}

std::size_t backward_run(Execution& e, std::size_t last) {
  Node& head = *e.nodes[last];
  if (head.type == Node::Type::kQuantize &&
      (head.site->backward_needs_tensor() || !has_whole_tiles(head))) {
    backward_quantize_alone(e, head);
    return 1;
  }
  const std::size_t count = backward_count(e, last);
  Node& end = *e.nodes[last - count + 1];
  const bool changes = start_backward_run(e, last, count);
  Buffer *const a = head.gradient.addends[0], *const b = head.gradient.addends[1];
  if (e.fuses) head.gradient = {};
  Buffer* dx = !changes || BufferPool::is_writable(*a)       ? BufferPool::share(a)
               : b != nullptr && BufferPool::is_writable(*b) ? BufferPool::share(b)
                                                             : e.buffers.acquire(head.shape);
  const BackwardRun run{last, count, a->tensor.data(), b == nullptr ? nullptr : b->tensor.data(),
                        dx->tensor.data()};
  const auto channels = static_cast<std::uint64_t>(head.out_shape.channels);
  const std::uint64_t size = dx->tensor.size(), chunk = chunk_of(channels);
  for_each_pass_block(size, channels, [&](std::uint64_t i, std::uint64_t begin, std::uint64_t n) {
    for (std::uint64_t k = begin; k < begin + n; k += chunk) {
      apply_backward_run(e, run, k, std::min(chunk, begin + n - k));
    }
    if (end.norm == nullptr) return;
    const float* x = e.node(end.inputs[0]).value->data();
    end.norm->backward_sums(i, begin / channels, n / channels, x + begin, run.dx + begin);
  });
  e.buffers.release(a);
  if (b != nullptr) e.buffers.release(b);
  finish_backward_run(e, run, dx);
  return count;
}

}  // namespace qloom::network
