#include "train/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace ag {
namespace {

struct Kind {
  std::string_view name;
  Dataset (*load)(const std::string& folder, Split split);
};
constexpr Kind kKinds[] = {{"cifar10", cifar10}, {"mnist", mnist}};

}  // namespace

Dataset load_dataset(const std::string& specification, Split split) {
  const size_t colon = specification.find(':');
  const std::string_view name = std::string_view(specification).substr(0, colon);
  const auto kind = std::ranges::find(kKinds, name, &Kind::name);
  if (kind == std::end(kKinds) || colon == std::string::npos) {
    throw CompileError(fmt::format("data set '{}' is not known", specification))
        .help("write cifar10:FOLDER or mnist:FOLDER");
  }
  const std::string folder = specification.substr(colon + 1);
  return kind->load(folder.empty() ? "." : folder, split);
}

Datasets load_datasets(const std::string& specification) {
  return {load_dataset(specification, Split::train), load_dataset(specification, Split::test)};
}

Normalisation imagenet_normalisation() {
  return {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
}

Dataset first_images(const Dataset& dataset, int64_t count) {
  count = std::clamp<int64_t>(count, 0, dataset.count());
  Shape shape = dataset.images.shape();
  shape[0] = count;
  const auto bytes = static_cast<size_t>(element_count(shape));
  Dataset part = dataset;
  part.images = Array::of<uint8_t>(shape, dataset.images.as<uint8_t>().first(bytes));
  part.labels.resize(static_cast<size_t>(count));
  return part;
}

}  // namespace ag
