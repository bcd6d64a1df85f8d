#include "tools/data_options.h"

#include "frontend/optimizers.h"

namespace ag {

void add_data_options(CLI::App& command, DataOptions& options) {
  command.add_option("--data", options.data, "data set: cifar10:DIR or mnist:DIR")->required();
  command
      .add_option("--normalisation", options.normalisation,
                  "of the images: data or imagenet (what the network's published weights expect)")
      ->check(CLI::IsMember({"data", "imagenet"}));
}

Normalisation normalisation_for(const DataOptions& options, std::string_view network,
                                const Dataset& data) {
  const bool published_so = matches_any(network, {"resnet*_cifar"});
  const bool imagenet =
      options.normalisation.empty() ? published_so : options.normalisation == "imagenet";
  return imagenet ? imagenet_normalisation() : data.normalisation;
}

}  // namespace ag
