// Convolution kernels by themselves, one thread, data in cache: ResNet-20's layers and ResNet-18's
// 3x3 layers, forward and both backwards, with the default schedules.
//
//   taskset -c 0 conv_kernels [batch of the CIFAR layers, 8] [part of a kernel's name] [schedule …]
//
// "512→512 @7 3x3 forward" is a name; with schedules, those are measured instead of the default.
// Backward weights are measured with four times that batch, ResNet-18's too: with one image, which
// nobody trains with, reading and writing the gradient is most of the work.
//
// Kernels take turns, so that a noisy minute meets all of them. A turn is a run that is not timed,
// which brings the data into cache, then bursts of multiply-adds as long as a run and timed runs of
// the kernel, one after the other. Each line gives the best of the kernel's runs, its part of the
// best burst beside it and, last, the median run's part.
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "codegen/kernel/worker_pool.h"
#include "codegen/plan/buffer_form.h"
#include "codegen/schedule/choose.h"
#include "codegen/schedule/layout_model.h"
#include "ir/ops/conv.h"
#include "ir/ops/kernel.h"
#include "ir/ops/leaf.h"
#include "ir/print.h"
#include "passes/halo.h"
#include "tests/kernel_runner.h"
#include "tools/fma_peak.h"

using namespace ag;

namespace {

struct Layer {
  std::string_view network;
  int64_t batch, inputs, outputs, extent, taps, stride;

  int64_t padding() const { return taps / 2; }
  int64_t positions() const { return (extent + 2 * padding() - taps) / stride + 1; }
  double flops() const {
    return 2.0 * static_cast<double>(batch * inputs * outputs * taps * taps) *
           static_cast<double>(positions() * positions());
  }
};

// The three kernels of a layer; operands as autograd writes them.
enum class Direction { forward, backward_data, backward_weights };
constexpr std::string_view kDirectionNames[] = {"forward", "backward data", "backward weights"};

Graph body_of(const Layer& l, Direction direction) {
  Graph graph("body");
  auto input = [&](const std::string& name, Shape shape) {
    return Tensor(graph, graph.add_leaf(ops::input, name, f32(std::move(shape)), {}));
  };
  auto x = [&] { return input("x", {l.batch, l.inputs, l.extent, l.extent}); };
  auto w = [&] { return input("w", {l.outputs, l.inputs, l.taps, l.taps}); };
  auto dy = [&] { return input("dy", {l.batch, l.outputs, l.positions(), l.positions()}); };
  auto around = [](int64_t low, int64_t high) { return Integers{low, high, low, high}; };
  const Integers stride{l.stride, l.stride};
  const int64_t low = l.padding(), last = (l.positions() - 1) * l.stride;
  Tensor result;
  if (direction == Direction::forward) {
    Tensor image = x();
    result = conv(image, w(), {.stride = stride, .padding = around(low, low)});
  } else if (direction == Direction::backward_data) {
    Tensor gradient = dy();
    const int64_t before = l.taps - 1 - low;
    result = conv(gradient, w(),
                  {.padding = around(before, l.extent + l.taps - 2 - last - before),
                   .lhs_dilation = stride,
                   .dims = "nc,io->nc",
                   .reverse = true});
  } else {
    Tensor image = x();
    result = conv(image, dy(),
                  {.padding = around(low, l.taps + last - l.extent - low),
                   .rhs_dilation = stride,
                   .dims = "cn,io->cn"});
  }
  graph.add_output("y", result.value());
  return graph;
}

KernelRequest request_of(const Graph& body, const Target& target) {
  const LayoutDemands wanted = CpuLayoutModel(target).demands(body, "conv");
  const std::vector<Value> leaves = body_leaves(body);
  KernelRequest request;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const TensorType type = body.type(leaves[i]).with_layout(wanted.operands[i].value_or(Layout()));
    request.operands.push_back(plan::form_of(type, halo_wanted(body, i)));
  }
  const TensorType& result = body.type(body.outputs()[0].value);
  request.results.push_back(
      plan::form_of(result.with_layout(wanted.results[0].value_or(Layout())), {}));
  request.symbol = "kernel";
  request.text = print(body, {.locations = false});
  request.schedule =
      choose_schedule({body, "conv", request.operands, request.results, target}).text();
  request.target = target.name;
  return request;
}

// Time on the processor: other programs' turns do not count.
double thread_seconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void fill_operands(KernelRunner& kernel, const Graph& body) {
  const std::vector<Value> leaves = body_leaves(body);
  for (size_t i = 0; i < leaves.size(); ++i) {
    ReferenceTensor value(DType::f32, body.type(leaves[i]).shape);
    for (size_t e = 0; e < value.floats.size(); ++e) {
      value.floats[e] = static_cast<double>(e * 7919 % 1000) / 1000 - 0.5;
    }
    kernel.set_operand(i, value);
  }
}

std::vector<Layer> layers(int64_t batch) {
  return {{"ResNet-20", batch, 3, 16, 32, 3, 1},  {"ResNet-20", batch, 16, 16, 32, 3, 1},
          {"ResNet-20", batch, 16, 32, 32, 3, 2}, {"ResNet-20", batch, 32, 32, 16, 3, 1},
          {"ResNet-20", batch, 32, 64, 16, 3, 2}, {"ResNet-20", batch, 64, 64, 8, 3, 1},
          {"ResNet-18", 1, 64, 64, 56, 3, 1},     {"ResNet-18", 1, 64, 128, 56, 3, 2},
          {"ResNet-18", 1, 128, 128, 28, 3, 1},   {"ResNet-18", 1, 128, 256, 28, 3, 2},
          {"ResNet-18", 1, 256, 256, 14, 3, 1},   {"ResNet-18", 1, 256, 512, 14, 3, 2},
          {"ResNet-18", 1, 512, 512, 7, 3, 1}};
}

struct Kernel {
  Layer layer;
  Direction direction;
  Graph body;

  std::string layer_name() const {
    return fmt::format("{}→{} @{} {}x{}{}", layer.inputs, layer.outputs, layer.extent, layer.taps,
                       layer.taps, layer.stride == 1 ? "" : " /2");
  }
  std::string_view direction_name() const { return kDirectionNames[static_cast<int>(direction)]; }
};

// Which kernels, and how; without schedules the default.
struct Wanted {
  int64_t batch = 8;
  std::string name;
  std::vector<std::string> schedules;
};

// One kernel with one schedule, and its runs so far.
class Measurement {
 public:
  Measurement(const Kernel& kernel, const KernelRequest& request, const std::string& object)
      : kernel_(kernel), schedule_(request.schedule), runner_(request, object) {
    fill_operands(runner_, kernel.body);
  }

  void turn() {
    constexpr double kTurn = 0.01;  // seconds
    runner_.run();
    double spent = 0;
    do {
      peak_.burst(std::clamp(best(), 1e-4, 0.005));
      const double start = thread_seconds();
      runner_.run();
      seconds_.push_back(thread_seconds() - start);
      spent += seconds_.back();
    } while (spent < kTurn);
  }

  void print() {
    const Layer& l = kernel_.layer;
    std::sort(seconds_.begin(), seconds_.end());
    const double peak = peak_.gflops(), gflops = l.flops() / seconds_[0] * 1e-9;
    const double median = l.flops() / seconds_[seconds_.size() / 2] * 1e-9;
    fmt::print("| {} | {} | {} | {} | {:.3f} | {:.1f} | {:.1f} | {:.0f} % | {:.0f} % | `{}` |\n",
               l.network, kernel_.layer_name(), l.batch, kernel_.direction_name(),
               seconds_[0] * 1e3, gflops, peak, gflops / peak * 100, median / peak * 100,
               schedule_);
  }

 private:
  double best() const {
    return seconds_.empty() ? 0 : *std::min_element(seconds_.begin(), seconds_.end());
  }

  const Kernel& kernel_;
  std::string schedule_;
  KernelRunner runner_;
  FmaPeak peak_{1};
  std::vector<double> seconds_;
};

std::vector<Kernel> wanted_kernels(const Wanted& wanted) {
  std::vector<Kernel> kernels;
  for (const Layer& layer : layers(wanted.batch)) {
    for (Direction direction :
         {Direction::forward, Direction::backward_data, Direction::backward_weights}) {
      if (layer.inputs == 3 && direction == Direction::backward_data) continue;  // never needed
      Layer shape = layer;
      if (direction == Direction::backward_weights) shape.batch = 4 * wanted.batch;
      Kernel kernel{shape, direction, body_of(shape, direction)};
      const std::string name = fmt::format("{} {}", kernel.layer_name(), kernel.direction_name());
      if (name.find(wanted.name) != std::string::npos) kernels.push_back(std::move(kernel));
    }
  }
  return kernels;
}

void measure(const Wanted& wanted) {
  constexpr int kTurns = 15;
  const std::vector<Kernel> kernels = wanted_kernels(wanted);
  std::vector<KernelRequest> requests;
  std::vector<const Kernel*> kernel_of_request;
  for (const Kernel& kernel : kernels) {
    const KernelRequest request = request_of(kernel.body, host_target());
    for (size_t i = 0; i < std::max<size_t>(wanted.schedules.size(), 1); ++i) {
      requests.push_back(request);
      if (!wanted.schedules.empty()) requests.back().schedule = wanted.schedules[i];
      kernel_of_request.push_back(&kernel);
    }
  }
  const std::vector<KernelResult> results = compile_all(requests, WorkerPool::shared(), nullptr);
  std::vector<std::unique_ptr<Measurement>> measurements;
  for (size_t i = 0; i < requests.size(); ++i) {
    measurements.push_back(
        std::make_unique<Measurement>(*kernel_of_request[i], requests[i], results[i].object));
  }
  for (int turn = 0; turn < kTurns; ++turn) {
    for (auto& measurement : measurements) measurement->turn();
  }
  fmt::print(
      "| network | layer | batch | kernel | ms | GFLOP/s | FMA peak | best run | median run ");
  fmt::print("| schedule |\n|---|---|---|---|---|---|---|---|---|---|\n");
  for (auto& measurement : measurements) measurement->print();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Wanted wanted;
    if (argc > 1) wanted.batch = std::strtoll(argv[1], nullptr, 10);
    if (wanted.batch < 1) {
      throw CompileError(fmt::format("batch '{}' is no positive number", argv[1]));
    }
    if (argc > 2) wanted.name = argv[2];
    for (int i = 3; i < argc; ++i) wanted.schedules.emplace_back(argv[i]);
    measure(wanted);
    return 0;
  } catch (const CompileError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
