// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// [pure] calls of many threads at once on one instance. The threads are std::thread: a checker
// built with the thread sanitizer (preset tsan) understands them, and sees a data race whether it
// changes a bit or not.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <functional>
#include <thread>

#include "host/check/checks/checks.hpp"
#include "host/check/kinds/norm.hpp"
#include "host/check/kinds/products.hpp"
#include "host/check/kinds/quantizer.hpp"
#include "host/check/kinds/record.hpp"

namespace qloom::check {
namespace {

constexpr unsigned kThreads = 8;
// Processor time of all threads together, for the first case of a method and for the others: a
// thread is seldom put off in the middle of a call, and some dozen times in this one.
constexpr double kFirstSeconds = 0.15, kSeconds = 0.004;

/// All [pure] calls of an instance on one block, and what they gave.
using Work = std::function<Record(std::uint64_t block)>;

/// work(0 .. blocks - 1) alone, then of all threads at once, each beginning at another block.
void compare_threads(Context& context, std::uint64_t blocks, double seconds, const Work& work) {
  std::vector<Record> alone;
  for (std::uint64_t b = 0; b < blocks; ++b) alone.push_back(work(b));
  std::atomic<unsigned> ready{0};
  const std::clock_t begin = std::clock();
  const auto is_over = [&] {
    return static_cast<double>(std::clock() - begin) > seconds * CLOCKS_PER_SEC;
  };
  const auto run = [&](unsigned thread) {
    ++ready;
    while (ready < kThreads) std::this_thread::yield();
    for (std::uint64_t i = 0; i < blocks || !is_over(); ++i) {
      const std::uint64_t b = (i + thread * blocks / kThreads) % blocks;
      const std::string text = difference(work(b), alone[b]);
      if (!text.empty()) {
        return context.find(fmt::format("block {}, {} threads at once: {}", b, kThreads, text));
      }
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < kThreads; ++t) threads.emplace_back(run, t);
  for (std::thread& thread : threads) thread.join();
}

constexpr std::uint64_t kBlock = 1024;

Record quantizer_block(Context& context, QuantizerDriver& driver, const Tensor& x, const Tensor& dy,
                       std::uint64_t b) {
  const auto& ops = driver.ops();
  const std::uint64_t first = b * kBlock;
  const qloom_block block = driver.block(first, std::min(kBlock, x.size() - first));
  qloom_error error = registry::empty_error();
  const qloom_call call = pure_call(Rounding::kStochastic, 0, &error);
  std::vector<float> y(block.n, kUnwritten), back(block.n, kUnwritten), dx(block.n, kUnwritten);
  std::vector<std::int32_t> codes(block.n);
  std::vector<double> sums(block.group_count * ops.sums_per_group, 0.0);
  const float* const at = x.data() + first;
  context.pure("apply", [&] { return ops.apply(driver.self(), &call, &block, at, y.data()); });
  if (ops.encode != nullptr) {
    context.pure("encode",
                 [&] { return ops.encode(driver.self(), &call, &block, at, codes.data()); });
    context.pure("decode",
                 [&] { return ops.decode(driver.self(), &block, codes.data(), back.data()); });
  }
  if (ops.backward != nullptr) {
    context.pure("backward", [&] {
      return ops.backward(driver.self(), &call, &block, at, dy.data() + first, dx.data(),
                          sums.data());
    });
  }
  return {{"apply", std::move(y), ""},
          {"encode", std::move(codes), ""},
          {"decode", std::move(back), ""},
          {"backward", std::move(dx), ""},
          {"sums", std::move(sums), ""}};
}

void race_quantizer(Context& context, const Case& c, double seconds) {
  const Input input = inputs_of("quantizer", context.seed()).front();
  const Tensor dy = gaussian(input.x.shape(), context.seed() + 977);
  registry::Instance instance = context.create(c);
  QuantizerDriver driver(context, c, instance, input.x, input.channel_axis);
  if (!driver.prepare(0).empty()) return;
  static_cast<void>(driver.backward(Rounding::kStochastic, dy, input.x.size()));
  compare_threads(context, (input.x.size() + kBlock - 1) / kBlock, seconds, [&](std::uint64_t b) {
    return quantizer_block(context, driver, input.x, dy, b);
  });
}

Record norm_block(Context& context, NormDriver& driver, const Tensor& x, const Tensor& dy,
                  std::uint64_t first, std::uint64_t rows) {
  const qloom_norm& ops = driver.ops();
  const qloom_norm_call call = driver.call(QLOOM_MODE_TRAINING);
  const std::uint64_t n = rows * driver.channels(), begin = first * driver.channels();
  std::vector<float> y(n, kUnwritten), dx(n, kUnwritten);
  std::vector<double> sums(ops.sums_per_channel * driver.channels(), 0.0);
  context.pure("apply",
               [&] { ops.apply(driver.self(), &call, first, rows, x.data() + begin, y.data()); });
  context.pure("backward_sums", [&] {
    ops.backward_sums(driver.self(), &call, first, rows, x.data() + begin, dy.data() + begin,
                      sums.data());
  });
  context.pure("backward", [&] {
    ops.backward(driver.self(), &call, first, rows, x.data() + begin, dy.data() + begin, dx.data());
  });
  return {{"apply", std::move(y), ""},
          {"backward", std::move(dx), ""},
          {"backward_sums", std::move(sums), ""}};
}

void race_norm(Context& context, const Case& c, double seconds) {
  const Tensor x = gaussian({256, 16}, context.seed() + 5, 3.0F);
  const Tensor dy = gaussian(x.shape(), context.seed() + 47);
  registry::Instance instance = context.create(c);
  NormDriver driver(context, instance, x);
  if (!driver.begin().empty()) return;
  if (!driver.forward("training", QLOOM_MODE_TRAINING, 256).refusal.empty()) return;
  static_cast<void>(driver.backward("training", QLOOM_MODE_TRAINING, dy, 256));
  constexpr std::uint64_t kRows = 64;
  compare_threads(context, 256 / kRows, seconds, [&](std::uint64_t b) {
    return norm_block(context, driver, x, dy, b * kRows, kRows);
  });
}

void race_rounding(Context& context, const Case& c, double seconds) {
  const registry::Instance instance = context.create(c);
  const Tensor x = gaussian({4 * kBlock}, context.seed() + 7, 30.0F);
  compare_threads(context, 4, seconds, [&](std::uint64_t b) -> Record {
    std::vector<float> y(kBlock, kUnwritten);
    std::string refusal =
        round_values(context, instance, b * kBlock, 0, x.data() + b * kBlock, y.data(), kBlock);
    return {{"round", std::move(y), std::move(refusal)}};
  });
}

void race_accumulator(Context& context, const Case& c, double seconds) {
  const registry::Instance instance = context.create(c);
  const Input input = inputs_of("accumulator", context.seed()).front();
  const Factors f = factors_of(instance.ops<qloom_accumulator>(), input.x, context.seed());
  compare_threads(context, 2, seconds, [&](std::uint64_t b) -> Record {
    const Rounding rounding = b == 0 ? Rounding::kNearest : Rounding::kStochastic;
    Product p = accumulate(context, instance, f, rounding, f.m, f.n);
    return {{"accumulate", std::move(p.c), p.refusal},
            {"overflows", std::vector<std::int64_t>{p.overflows}, p.refusal}};
  });
}

}  // namespace

void check_races(Context& context) {
  const Threads one(1);  // of the host: the calls come from threads of this check alone
  const std::string& kind = context.method().kind;
  double seconds = kFirstSeconds;
  for (const Case& c : context.accepted()) {
    context.at("{}", c.text());
    if (kind == "quantizer") race_quantizer(context, c, seconds);
    if (kind == "norm") race_norm(context, c, seconds);
    if (kind == "rounding") race_rounding(context, c, seconds);
    if (kind == "accumulator") race_accumulator(context, c, seconds);
    seconds = kSeconds;
  }
}

}  // namespace qloom::check
