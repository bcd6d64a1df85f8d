// Data sets on the command line, shared by `argent train` and `argent eval`.
#pragma once

#include <string>
#include <string_view>

#include "tools/command.h"
#include "train/dataset.h"

namespace ag {

struct DataOptions {
  std::string data;           // "cifar10:DIR"
  std::string normalisation;  // empty: that of the network
};

// --data, --normalisation
void add_data_options(CLI::App& command, DataOptions& options);

// How images go into the network called `network`: as asked for, else with ImageNet's numbers for
// the networks whose published weights expect these, else with the data set's own.
Normalisation normalisation_for(const DataOptions& options, std::string_view network,
                                const Dataset& data);

}  // namespace ag
