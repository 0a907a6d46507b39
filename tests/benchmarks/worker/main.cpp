// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Times cases at the request of a driver, which alternates between this program and its peers. One
// JSON object a line on standard input, one as the answer:
//
//   {"do": "prepare", "name": "a", "case": "affine", "params": {...}}   -> {"work": 16777216}
//   {"do": "time", "name": "a", "repeats": 4, "threads": 2}             -> {"seconds": 0.0021}
//   {"do": "drop", "name": "a"}                                         -> {}
//   {"do": "memory"}                                -> {"resident": bytes, "peak": bytes}
//   {"do": "about"}                                 -> {"program": ..., "isa": ...}
//
// What fails is answered by {"error": text}.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include <omp.h>

#include "host/data/arrays/array_file.hpp"
#include "host/kernels/kernels.hpp"
#include "host/tensor/error.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {

const registry::Registry& plugins() {
  static const registry::Registry registry(registry::Registry::default_folders());
  return registry;
}

Tensor read_array(const Json& params, const char* key) {
  Tensor all = data::read_npy(params.at(key).get<std::string>());
  if (!params.contains("shape")) return all;
  const Shape shape = params["shape"].get<Shape>();
  if (element_count(shape) > all.size()) throw InputError("the array is smaller than the shape");
  all.resize(shape);
  return all;
}

namespace {

/// Of this program alone: getrusage() would also count what its parent had before it started.
Json memory() {
  std::ifstream status("/proc/self/status");
  Json answer;
  for (std::string line; std::getline(status, line);) {
    long kibibytes = 0;
    if (std::sscanf(line.c_str(), "VmRSS: %ld", &kibibytes) == 1) {
      answer["resident"] = kibibytes * 1024;
    } else if (std::sscanf(line.c_str(), "VmHWM: %ld", &kibibytes) == 1) {
      answer["peak"] = kibibytes * 1024;
    }
  }
  return answer;
}

class Worker {
 public:
  Worker() {
    add_limits(known_);
    add_kernels(known_);
    add_sites(known_);
    add_norms(known_);
    add_contractions(known_);
    add_programs(known_);
    add_steps(known_);
  }

  Json answer(const Json& request) {
    const auto what = request.at("do").get<std::string>();
    if (what == "memory") return memory();
    if (what == "about") return {{"program", "qloom"}, {"isa", kernels::table().isa_name}};
    const auto name = request.at("name").get<std::string>();
    if (what == "drop") {
      prepared_.erase(name);
      return Json::object();
    }
    if (what == "prepare") return prepare(name, request);
    if (what == "time") return time(prepared_.at(name), request);
    throw InputError("do: \"" + what + "\", expected prepare, time, drop, memory or about");
  }

 private:
  Json prepare(const std::string& name, const Json& request) {
    const auto kind = request.at("case").get<std::string>();
    const auto found = known_.find(kind);
    if (found == known_.end()) throw InputError("no case \"" + kind + "\"");
    Case& made = prepared_[name] = found->second(request.at("params"));
    return {{"work", made.work}};
  }

  static Json time(const Case& what, const Json& request) {
    using Clock = std::chrono::steady_clock;
    omp_set_num_threads(request.at("threads").get<int>());
    const int repeats = request.value("repeats", 1);
    if (request.value("warm", false)) what.run();
    const auto start = Clock::now();
    for (int i = 0; i < repeats; ++i) what.run();
    const std::chrono::duration<double> passed = Clock::now() - start;
    return {{"seconds", passed.count() / repeats}};
  }

  Cases known_;
  std::map<std::string, Case> prepared_;
};

}  // namespace
}  // namespace qloom::bench

int main() {
  using qloom::bench::Json;
  qloom::bench::Worker worker;
  std::string line;
  while (std::getline(std::cin, line)) {
    Json answer;
    try {
      answer = worker.answer(Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}
