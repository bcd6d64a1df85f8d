#include "train/evaluator.h"

#include <fmt/format.h>

#include "codegen/compile.h"
#include "deploy/compile.h"
#include "ir/ops/leaf.h"

namespace ag {
namespace {

// The largest divisor of `count` between half and twice `wanted`; `wanted` when there is none.
int64_t evaluation_batch(int64_t count, int64_t wanted) {
  if (count <= wanted) return count;
  for (int64_t batch = 2 * wanted; batch > wanted / 2; --batch)
    if (count % batch == 0) return batch;
  return wanted;
}

// Scores and mean loss of a batch.
Graph evaluation_graph(const Model& model, const Loss& loss, int64_t batch) {
  Graph graph(model.name() + ".evaluation");
  BuildContext context(graph, Mode::inference);
  Tensor scores = model.build(context, batch)[0].tensor;
  Tensor labels = input(graph, "labels", loss.label_type(scores.type()));
  graph.add_output("scores", scores.value());
  graph.add_output("loss", loss.function(scores, labels).value());
  graph.set_build_context(nullptr);
  return graph;
}

Array first_rows(const Array& array, int64_t rows) {
  Shape shape = array.shape();
  if (shape[0] == rows) return array;
  shape[0] = rows;
  Array part(array.dtype(), std::move(shape));
  std::memcpy(part.data(), array.data(), part.size_bytes());
  return part;
}

}  // namespace

Evaluator::Evaluator(const Model& model, const EvaluatorOptions& options, int64_t count)
    : count_(count), batch_(evaluation_batch(count, options.batch)) {
  std::vector<ProgramEntry> entries;
  entries.push_back({"whole", evaluation_graph(model, options.loss, batch_)});
  if (int64_t rest = count % batch_; rest != 0)
    entries.push_back({"rest", evaluation_graph(model, options.loss, rest)});
  CompileSettings settings;
  settings.target = options.target;
  CompiledProgram compiled = compile_graphs(c_identifier(model.name() + "_evaluation"), entries,
                                            model.weights(), settings);
  instance_.emplace(LoadedProgram::in_memory(compiled.program)->instance(options.threads));
  const argent_library& library = instance_->program().library();
  for (uint32_t i = 0; i < library.tensor_count; ++i) names_.push_back(library.tensors[i].name);
}

void Evaluator::set_weights(const WeightMap& weights) {
  for (const std::string& name : names_) {
    if (auto found = weights.find(name); found != weights.end())
      instance_->set(name, found->second);
  }
  instance_->prepare();
}

Evaluation Evaluator::evaluate(const Dataset& data, const Normalisation& normalisation) {
  if (data.count() != count_) {
    throw CompileError(fmt::format("evaluation made for {} images, but {} has {}", count_,
                                   data.name, data.count()));
  }
  BatchStream stream(
      data, {.batch = batch_, .shuffle = false, .normalisation = normalisation, .keep_last = true});
  Batch batch;
  Accuracy accuracy;
  RunningMean loss;
  for (int64_t i = 0; i < stream.batches_per_epoch(); ++i) {
    stream.next(batch);
    const Array inputs[] = {first_rows(batch.images, batch.count),
                            first_rows(batch.labels, batch.count)};
    const std::vector<Array> results = instance_->run(batch.count == batch_ ? 0 : 1, inputs);
    accuracy.add(results[0], inputs[1], batch.count);
    loss.add(results[1].get_double(0), batch.count);
  }
  return {accuracy.top1_percent(), loss.value()};
}

}  // namespace ag
