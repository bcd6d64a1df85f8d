// The networks of the zoo, compiled, against what PyTorch's own networks answer with the same
// weights (tests/reference/zoo_outputs.py). Weights are drawn by name: agreement says that names,
// shapes and the computation are PyTorch's.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>

#include "deploy/compile.h"
#include "frontend/analysis.h"
#include "frontend/init/draw.h"
#include "frontend/zoo/zoo.h"
#include "tests/recorded.h"

using namespace ag;

namespace {

constexpr uint64_t kSeed = 1;

const Recorded& recorded() {
  static const Recorded archive("zoo_outputs.npz");
  return archive;
}

std::string key(const ZooEntry& entry, std::string_view field) {
  return fmt::format("{}:{}", entry.name, field);
}

std::vector<const ZooEntry*> recorded_entries() {
  std::vector<const ZooEntry*> found;
  for (const ZooEntry& entry : zoo_entries())
    if (!recorded().below(std::string(entry.name) + ":").empty()) found.push_back(&entry);
  return found;
}

Integers integers(const Array& array) {
  Integers numbers;
  for (int64_t i = 0; i < array.count(); ++i) numbers.push_back(array.get_int(i));
  return numbers;
}

// value_of of zoo_outputs.py.
Array value_of(const Parameter& parameter) {
  const std::string& name = parameter.name;
  const Shape& shape = parameter.type.shape;
  const bool is_offset = name.ends_with("bias") || name.ends_with("running_mean");
  const bool is_vector = shape.empty() || element_count(shape) == shape[0];
  const bool is_scale = !is_offset && (is_vector || name.ends_with("running_var"));
  const bool is_uniform = is_offset || is_scale;
  const Initializer scheme = is_uniform ? uniform(0.25) : kaiming_uniform();
  Array values = draw({name, parameter.type, scheme}, kSeed);
  for (int64_t i = 0; is_scale && i < values.count(); ++i)
    values.set_double(i, static_cast<float>(1 + values.get_double(i)));
  return values;
}

Model recorded_model(const ZooEntry& entry) {
  Shape shape = integers(recorded().array(key(entry, "input")));
  const int64_t classes = recorded().array(key(entry, "classes")).get_int(0);
  Network network([&](Tensor x) { return entry.function(x, classes); });
  return trace(network, {.inputs = {{"input", f32(shape)}}, .name = std::string(entry.name)});
}

// Largest difference over the largest recorded number.
double error_of(const Array& found, const Array& wanted) {
  const int64_t step = (found.count() + 999) / 1000;
  REQUIRE((found.count() + step - 1) / step == wanted.count());
  double worst = 0, range = 0;
  for (int64_t i = 0; i < wanted.count(); ++i) {
    const double gap = std::fabs(found.get_double(i * step) - wanted.get_double(i));
    worst = std::isnan(gap) ? INFINITY : std::max(worst, gap);
    range = std::max(range, std::fabs(wanted.get_double(i)));
  }
  return worst / range;
}

void check_output(const ZooEntry& entry) {
  Model model = recorded_model(entry);
  WeightMap weights;
  for (const Parameter& parameter : model.parameters())
    weights.emplace(parameter.name, value_of(parameter));
  Array input = draw({"input", model.inputs()[0].type, normal(1)}, kSeed);
  const Array& wanted = recorded().array(key(entry, "output"));
  // PyTorch's own error in f32, twice, where that is more.
  const double theirs = 2 * recorded().array(key(entry, "error")).get_double(0);
  CompiledGraph direct = compile(model.forward(), weights, {.winograd = false});
  CHECK(error_of(direct(input), wanted) <= std::max(1e-5, theirs));
  CompiledGraph fast = compile(model.forward(), weights);
  CHECK(error_of(fast(input), wanted) <= std::max(1e-4, theirs));
}

}  // namespace

TEST_CASE("compiled networks answer what PyTorch answers") {
  for (const ZooEntry* entry : recorded_entries()) {
    SUBCASE(std::string(entry->name).c_str()) { check_output(*entry); }
  }
}

TEST_CASE("networks multiply as often as PyTorch's") {
  for (const ZooEntry* entry : recorded_entries()) {
    CAPTURE(std::string(entry->name));
    const int64_t macs = recorded().array(key(*entry, "macs")).get_int(0);
    CHECK(analyse(zoo_model(entry->name).forward()).macs == macs);
  }
}
