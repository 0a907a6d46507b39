// SPDX-License-Identifier: Apache-2.0
// Copyright the qloom authors
//
// Norms in training, beside oneDNN's batch normalisation on the same NHWC tensor.
#include <memory>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "host/contraction/onednn.hpp"
#include "host/methods/norm.hpp"
#include "tests/benchmarks/worker/cases.hpp"

namespace qloom::bench {
namespace {

struct Operands {
  Tensor x, y, dy, dx;
  std::vector<float> gamma, beta, dgamma, dbeta;

  explicit Operands(const Json& params)
      : x(read_array(params)), y(x.shape()), dy(read_array(params, "gradient")), dx(x.shape()) {
    gamma.assign(channels(), 1.0F);
    beta.assign(channels(), 0.0F);
    dgamma = dbeta = beta;
  }
  [[nodiscard]] std::size_t channels() const { return static_cast<std::size_t>(x.shape()[3]); }
  [[nodiscard]] std::size_t rows() const { return x.size() / channels(); }
};

struct Norm : Operands {
  methods::Norm norm;

  explicit Norm(const Json& params)
      : Operands(params),
        norm(
            methods::create(plugins(), methods::resolve(plugins(), "norm",
                                                        {{"plugin", params.at("plugin")}}, "norm")),
            channels(), 576) {}
  [[nodiscard]] qloom_norm_call call() const {
    qloom_norm_call c = methods::norm_call(QLOOM_MODE_TRAINING, rows(), channels());
    c.gamma = gamma.data();
    c.beta = beta.data();
    return c;
  }
  void forward() { norm.forward(call(), x.data(), y.data()); }
  void backward() {
    norm.backward(call(), x.data(), dy.data(), dx.data(), dgamma.data(), dbeta.data());
  }
};

class OneDnnNorm : Operands {
 public:
  explicit OneDnnNorm(const Json& params) : Operands(params) {
    using dnnl::memory;
    const Shape& s = x.shape();
    const memory::desc data({s[0], s[3], s[1], s[2]}, memory::data_type::f32,
                            memory::format_tag::nhwc);
    const memory::desc vector({s[3]}, memory::data_type::f32, memory::format_tag::a);
    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
    const contraction::onednn::Setting setting{engine_, {}};
    const auto forward = contraction::onednn::normalization(setting, data, 1e-5F, flags);
    const auto backward =
        contraction::onednn::normalization_gradient(setting, data, 1e-5F, flags, forward);
    forward_ = dnnl::batch_normalization_forward(forward);
    backward_ = dnnl::batch_normalization_backward(backward);
    mean_.resize(channels());
    variance_.resize(channels());
    const auto wrap = [&](const memory::desc& d, float* p) { return memory(d, engine_, p); };
    const std::unordered_map<int, memory> read{{DNNL_ARG_SRC, wrap(data, x.data())},
                                               {DNNL_ARG_MEAN, wrap(vector, mean_.data())},
                                               {DNNL_ARG_VARIANCE, wrap(vector, variance_.data())},
                                               {DNNL_ARG_SCALE, wrap(vector, gamma.data())}};
    forward_arguments_ = backward_arguments_ = read;  // each takes its own alone
    forward_arguments_.merge(std::unordered_map<int, memory>{
        {DNNL_ARG_SHIFT, wrap(vector, beta.data())}, {DNNL_ARG_DST, wrap(data, y.data())}});
    backward_arguments_.merge(
        std::unordered_map<int, memory>{{DNNL_ARG_DIFF_DST, wrap(data, dy.data())},
                                        {DNNL_ARG_DIFF_SRC, wrap(data, dx.data())},
                                        {DNNL_ARG_DIFF_SCALE, wrap(vector, dgamma.data())},
                                        {DNNL_ARG_DIFF_SHIFT, wrap(vector, dbeta.data())}});
  }
  void run_forward() { execute(forward_, forward_arguments_); }
  void run_backward() { execute(backward_, backward_arguments_); }
  [[nodiscard]] double size() const { return static_cast<double>(x.size()); }

 private:
  void execute(const dnnl::primitive& primitive,
               const std::unordered_map<int, dnnl::memory>& arguments) {
    primitive.execute(stream_, arguments);
    stream_.wait();
  }
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::batch_normalization_forward forward_;
  dnnl::batch_normalization_backward backward_;
  std::vector<float> mean_, variance_;
  std::unordered_map<int, dnnl::memory> forward_arguments_, backward_arguments_;
};

Case norm_forward(const Json& params) {
  auto norm = std::make_shared<Norm>(params);
  return {[norm] { norm->forward(); }, static_cast<double>(norm->x.size())};
}

Case norm_backward(const Json& params) {
  auto norm = std::make_shared<Norm>(params);
  norm->forward();
  return {[norm] { norm->backward(); }, static_cast<double>(norm->x.size())};
}

}  // namespace

void add_norms(Cases& cases) {
  cases["norm_forward"] = norm_forward;
  cases["norm_backward"] = norm_backward;
  cases["onednn_norm_forward"] = [](const Json& params) -> Case {
    auto norm = std::make_shared<OneDnnNorm>(params);
    return {[norm] { norm->run_forward(); }, norm->size()};
  };
  cases["onednn_norm_backward"] = [](const Json& params) -> Case {
    auto norm = std::make_shared<OneDnnNorm>(params);
    norm->run_forward();
    return {[norm] { norm->run_backward(); }, norm->size()};
  };
}

}  // namespace qloom::bench
