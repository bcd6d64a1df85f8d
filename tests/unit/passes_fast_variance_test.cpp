// Batch norm's statistics in one reading, compiled, against the definition in double precision.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "codegen/compile.h"
#include "codegen/link/loaded_program.h"
#include "ir/interpret.h"
#include "ir/ops/leaf.h"
#include "ir/ops/norm.h"

using namespace ag;

namespace {

constexpr int64_t kChannels = 20;

// Normal values around `mean` with deviation about 1.
Array samples(const Shape& shape, double mean) {
  Array x(DType::f32, shape);
  std::mt19937 random(7);
  for (int64_t i = 0; i < x.count(); ++i) {
    double noise = -6;
    for (int k = 0; k < 12; ++k) noise += random() * 0x1p-32;
    x.set_double(i, mean + noise);
  }
  return x;
}

Graph batch_norm_graph(const TensorType& type) {
  Graph graph("norm");
  Tensor x = input(graph, "x", type);
  Tensor scale = full(graph, f32(kChannels), 1), bias = full(graph, f32(kChannels), 0);
  BatchNormResults results = batch_norm_training(x, scale, bias);
  graph.add_output("y", results.y.value());
  graph.add_output("mean", results.mean.value());
  graph.add_output("variance", results.variance.value());
  return graph;
}

double largest_difference(const Array& found, const ReferenceTensor& wanted) {
  double largest = 0;
  for (int64_t i = 0; i < wanted.count(); ++i) {
    const double difference = std::fabs(found.get_double(i) - wanted.number(i));
    largest = difference > largest || std::isnan(difference) ? difference : largest;
  }
  return largest;
}

std::vector<Array> compiled_results(const Graph& graph, const Array& x) {
  const ProgramEntry entry{"norm", graph};
  const CompiledProgram compiled = compile_graphs("norm", {&entry, 1}, {});
  return LoadedProgram::in_memory(compiled.program)->instance(1).run(0, {&x, 1});
}

}  // namespace

TEST_CASE("statistics in one reading are exact to rounding, whatever the mean") {
  for (const Shape& shape : {Shape{512, kChannels}, Shape{40, kChannels, 6, 16}}) {
    for (double mean : {0.0, -3.0, 1000.0}) {
      CAPTURE(shape.size());
      CAPTURE(mean);
      const Array x = samples(shape, mean);
      const Graph graph = batch_norm_graph(x.type());
      const auto wanted = interpret(graph, {{"x", ReferenceTensor::from(x)}});
      const std::vector<Array> found = compiled_results(graph, x);
      const double rounding = std::max(1.0, std::fabs(mean)) * 6e-8;  // half a unit of the mean
      CHECK(largest_difference(found[0], wanted[0]) < 1e-5 + 4 * rounding);
      CHECK(largest_difference(found[1], wanted[1]) < 1e-6 + 4 * rounding);
      CHECK(largest_difference(found[2], wanted[2]) < 1e-5);
    }
  }
}

TEST_CASE("the variance of constant channels is zero, never less") {
  Array x(DType::f32, {64, kChannels, 6, 16});
  for (int64_t i = 0; i < x.count(); ++i)
    x.set_double(i, 100.1 * static_cast<double>(i / 96 % kChannels));
  const std::vector<Array> found = compiled_results(batch_norm_graph(x.type()), x);
  for (int64_t channel = 0; channel < kChannels; ++channel) {
    CHECK(found[2].get_double(channel) >= 0);
    CHECK(found[2].get_double(channel) < 1e-6);
  }
}
