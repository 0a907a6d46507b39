// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Element-wise layers and quantizers that follow each other, in one pass over memory: a block goes
// through all of them while it lies in the cache. Each does what it does alone, so the bits are the
// same; only a norm or a range, which must see the whole tensor first, starts a new pass.
#include <algorithm>

#include "host/layers/common/elementwise.hpp"
#include "host/network/network.hpp"
#include "host/tensor/parallel.hpp"

namespace qloom::network {
namespace {

/// Elements that go through a run at a time inside a block: whole rows, and whole tiles unless the
/// channels are awkward; the quantizers' random words and sums need whole tiles.
std::uint64_t chunk_of(std::uint64_t channels) {
  const std::uint64_t block = pass_block(channels);
  const std::uint64_t rows = std::max<std::uint64_t>(1, kTileElements / channels);
  return block % kTileElements == 0 && kTileElements % channels == 0 ? kTileElements
         : block % kTileElements == 0                                ? block
                                                                     : rows * channels;
}

bool has_whole_tiles(const Node& node) {
  return pass_block(static_cast<std::uint64_t>(node.out_shape.channels)) % kTileElements == 0;
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
  const std::uint64_t block = pass_block(channels);
  for_each((n + block - 1) / block,
           [&](std::uint64_t i) { body(i, i * block, std::min(block, n - i * block)); });
}

}  // namespace

bool Network::is_elementwise(const Node& node) const {
  if (node.type == Node::Type::kQuantize) return pass_.rules == Pass::Rules::kOn;
  return node.norm != nullptr || elementwise(node) != nullptr;
}

bool Network::has_elementwise_gradient(const Node& node) const {
  return is_elementwise(node) &&
         (elementwise(node) == nullptr || node.layer->type->whole.gradient == nullptr);
}

bool Network::continues_run(std::size_t index) const {
  if (!fuses_ || index >= nodes_.size()) return false;
  const Node &node = *nodes_[index], &before = *nodes_[index - 1];
  if (!is_elementwise(node) || node.norm != nullptr || before.readers != 1) return false;
  const auto reads =
      std::count(node.inputs.begin(), node.inputs.end(), static_cast<int>(index) - 1);
  if (reads != 1) return false;
  return node.type != Node::Type::kQuantize || has_whole_tiles(node);
}

std::size_t Network::forward_run(std::size_t first) {
  Node& head = *nodes_[first];
  const Tensor& x = *nodes_[static_cast<std::size_t>(head.inputs[0])]->value;
  if (head.type == Node::Type::kQuantize &&
      (head.site->needs_tensor(pass_.phase) || !has_whole_tiles(head))) {
    head.site->forward(x, head.out, pass_.phase);
    head.value = &head.out;
    return 1;
  }
  if (head.norm != nullptr) head.norm->start(x, pass_);
  std::size_t count = 1;
  const auto joins = [&](std::size_t index) {
    if (!continues_run(index)) return false;
    const Node& node = *nodes_[index];
    return node.type != Node::Type::kQuantize || !node.site->needs_tensor(pass_.phase);
  };
  while (joins(first + count)) ++count;
  Tensor* kept = nullptr;
  run_values_.resize(count);
  for (std::size_t i = first + count; i-- > first;) {
    Node& node = *nodes_[i];
    const bool is_last = i + 1 == first + count;
    if (is_last || reads_output(node) || reads_input(*nodes_[i + 1])) {
      node.out.resize(node.shape);
      kept = &node.out;
    }
    run_values_[i - first] = kept;
    node.value = kept;
    if (node.type == Node::Type::kQuantize) node.site->forward_start(node.shape, pass_.phase);
  }
  const auto channels = static_cast<std::uint64_t>(head.out_shape.channels);
  const std::uint64_t chunk = chunk_of(channels);
  for_each_pass_block(x.size(), channels, [&](std::uint64_t, std::uint64_t begin, std::uint64_t n) {
    for (const std::uint64_t end = begin + n; begin < end; begin += chunk) {
      apply_run(first, count, begin, std::min(chunk, end - begin));
    }
  });
  for (std::size_t i = first; i < first + count; ++i) {
    if (nodes_[i]->type == Node::Type::kQuantize) nodes_[i]->site->forward_end();
  }
  return count;
}

void Network::apply_run(std::size_t first, std::size_t count, std::uint64_t begin,
                        std::uint64_t n) {
  const float* x =
      nodes_[static_cast<std::size_t>(nodes_[first]->inputs[0])]->value->data() + begin;
  for (std::size_t i = first; i < first + count; ++i) {
    Node& node = *nodes_[i];
    float* y = run_values_[i - first]->data() + begin;
    if (node.type == Node::Type::kQuantize) {
      node.site->forward_block(begin, n, x, y);
    } else if (node.norm != nullptr) {
      const auto channels = static_cast<std::uint64_t>(node.out_shape.channels);
      node.norm->apply(begin / channels, n / channels, x, y);
    } else {
      const float* second = nullptr;
      if (node.inputs.size() > 1) {
        const bool is_second = i > first && node.inputs[1] == static_cast<int>(i) - 1;
        const auto other = static_cast<std::size_t>(node.inputs[is_second ? 0 : 1]);
        second = nodes_[other]->value->data() + begin;
      }
      elementwise(node)->forward(*node.layer, step(), {begin, n}, x, second, y);
    }
    x = y;
  }
}

/// The run in reverse order: gradients of quantizers and relus in place, then the sums of a norm.
struct Network::BackwardRun {
  std::size_t last, count;  ///< nodes last, last - 1, ...
  const float *dy, *more;   ///< addends; more may be null
  float* dx;                ///< dy itself where nothing changes it
};

std::size_t Network::backward_run(std::size_t last) {
  Node& head = *nodes_[last];
  if (head.type == Node::Type::kQuantize &&
      (head.site->backward_needs_tensor() || !has_whole_tiles(head))) {
    Node& input = *nodes_[static_cast<std::size_t>(head.inputs[0])];
    Buffer* dy = collect(head);
    Buffer* dx =
        BufferPool::is_writable(*dy) ? BufferPool::share(dy) : buffers_.acquire(head.shape);
    head.site->backward(*input.value, dy->tensor, dx->tensor);
    buffers_.release(dy);
    deliver(input, dx);
    return 1;
  }
  std::size_t count = 1;
  const auto joins = [&](std::size_t index) {  // node index is the input of node index + 1
    const Node &node = *nodes_[index], &reader = *nodes_[index + 1];
    if (!has_elementwise_gradient(node) || !node.needs_gradient || reader.norm != nullptr) {
      return false;
    }
    if (shares_gradient(reader) && node.norm == nullptr) return false;
    if (node.type == Node::Type::kQuantize &&
        (node.site->backward_needs_tensor() || !has_whole_tiles(node))) {
      return false;
    }
    return continues_run(index + 1);
  };
  while (last >= count && joins(last - count)) ++count;

  Node& end = *nodes_[last - count + 1];
  bool changes = head.gradient.addends[1] != nullptr;
  for (std::size_t i = last + 1 - count; i <= last; ++i) {
    Node& node = *nodes_[i];
    changes |= node.type == Node::Type::kQuantize ||
               (elementwise(node) != nullptr && !shares_gradient(node));
    if (node.type == Node::Type::kQuantize) node.site->backward_start();
    if (node.norm != nullptr) node.norm->backward_start();
  }
  Buffer *const a = head.gradient.addends[0], *const b = head.gradient.addends[1];
  if (fuses_) head.gradient = {};
  Buffer* dx = !changes || BufferPool::is_writable(*a)       ? BufferPool::share(a)
               : b != nullptr && BufferPool::is_writable(*b) ? BufferPool::share(b)
                                                             : buffers_.acquire(head.shape);
  const BackwardRun run{last, count, a->tensor.data(), b == nullptr ? nullptr : b->tensor.data(),
                        dx->tensor.data()};
  const auto channels = static_cast<std::uint64_t>(head.out_shape.channels);
  const std::uint64_t size = dx->tensor.size(), chunk = chunk_of(channels);
  for_each_pass_block(size, channels, [&](std::uint64_t i, std::uint64_t begin, std::uint64_t n) {
    for (std::uint64_t k = begin; k < begin + n; k += chunk) {
      apply_backward_run(run, k, std::min(chunk, begin + n - k));
    }
    if (end.norm == nullptr) return;
    const float* x = nodes_[static_cast<std::size_t>(end.inputs[0])]->value->data();
    end.norm->backward_sums(i, begin / channels, n / channels, x + begin, run.dx + begin);
  });
  buffers_.release(a);
  if (b != nullptr) buffers_.release(b);
  finish_backward_run(run, dx);
  return count;
}

void Network::apply_backward_run(const BackwardRun& run, std::uint64_t begin, std::uint64_t n) {
  const float* dy = run.dy + begin;
  float* dx = run.dx + begin;
  if (run.more != nullptr) {
    layers::add(dy, run.more + begin, dx, n);
    dy = dx;
  }
  for (std::size_t i = run.last; i > run.last - run.count; --i) {
    Node& node = *nodes_[i];
    const float* x = nodes_[static_cast<std::size_t>(node.inputs[0])]->value->data() + begin;
    const Elementwise* layer = elementwise(node);
    if (node.type == Node::Type::kQuantize) {
      node.site->backward_block(begin, n, x, dy, dx);
    } else if (layer != nullptr && layer->gradient != nullptr) {
      const float* seen =
          layer->reads == Elementwise::Reads::kOutput ? node.value->data() + begin : x;
      layer->gradient(*node.layer, step(), {begin, n}, seen, dy, dx);
    } else {
      continue;
    }
    dy = dx;
  }
}

/// Learned parameters' sums, the second pass of a norm, and what the run's inputs get.
void Network::finish_backward_run(const BackwardRun& run, Buffer* dx) {
  for (std::size_t i = run.last; i > run.last - run.count; --i) {
    Node& node = *nodes_[i];
    if (node.type == Node::Type::kQuantize) node.site->backward_end();
    if (!shares_gradient(node)) continue;
    for (const int input : node.inputs) {  // the run's own input gets its share below
      if (input == static_cast<int>(i) - 1 && i - 1 > run.last - run.count) continue;
      deliver(*nodes_[static_cast<std::size_t>(input)], BufferPool::share(dx));
    }
  }
  Node& end = *nodes_[run.last - run.count + 1];
  Node& input = *nodes_[static_cast<std::size_t>(end.inputs[0])];
  if (shares_gradient(end)) return buffers_.release(dx);
  if (end.norm == nullptr) return deliver(input, dx);
  end.norm->backward_prepare();
  if (!input.needs_gradient) return buffers_.release(dx);
  Buffer* dy = dx;
  dx = BufferPool::is_writable(*dy) ? BufferPool::share(dy) : buffers_.acquire(end.shape);
  const auto channels = static_cast<std::uint64_t>(end.out_shape.channels);
  const float *x = input.value->data(), *from = dy->tensor.data();
  float* to = dx->tensor.data();
  for_each_pass_block(
      dx->tensor.size(), channels, [&](std::uint64_t, std::uint64_t begin, std::uint64_t n) {
        end.norm->backward(begin / channels, n / channels, x + begin, from + begin, to + begin);
      });
  buffers_.release(dy);
  deliver(input, dx);
}

}  // namespace qloom::network
