#include "tests/ptx/ptx_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

namespace ag::ptx {
namespace {

void resolve(Operand& operand, Address variables) {
  if (operand.kind != Operand::Kind::variable) return;
  operand.kind = Operand::Kind::immediate;
  operand.value += variables;
}

Dim3 block_index(uint64_t number, const Dim3& grid) {
  return {static_cast<uint32_t>(number % grid.x), static_cast<uint32_t>(number / grid.x % grid.y),
          static_cast<uint32_t>(number / grid.x / grid.y)};
}

std::vector<uint64_t> block_order(const Launch& launch) {
  std::vector<uint64_t> order(launch.grid.count());
  for (uint64_t i = 0; i < order.size(); ++i) order[i] = i;
  if (launch.order == Order::backward) std::reverse(order.begin(), order.end());
  if (launch.order == Order::shuffled) {
    std::shuffle(order.begin(), order.end(), std::mt19937_64(launch.seed));
  }
  return order;
}

}  // namespace

std::vector<uint8_t> Arguments::packed_for(const Kernel& kernel) const {
  if (values_.size() != kernel.parameters.size()) {
    throw PtxError(fmt::format("{} takes {} arguments, not {}", kernel.name,
                               kernel.parameters.size(), values_.size()));
  }
  std::vector<uint8_t> bytes(kernel.parameter_bytes);
  for (size_t i = 0; i < values_.size(); ++i) {
    const Parameter& parameter = kernel.parameters[i];
    if (values_[i].size() != parameter.bytes) {
      throw PtxError(fmt::format("{}: {} has {} bytes, not {}", kernel.name, parameter.name,
                                 parameter.bytes, values_[i].size()));
    }
    std::copy(values_[i].begin(), values_[i].end(), bytes.begin() + parameter.offset);
  }
  return bytes;
}

bool Outcome::has(Fault fault) const {
  return std::any_of(reports.first.begin(), reports.first.end(),
                     [&](const Report& report) { return report.fault == fault; });
}

std::string Outcome::text() const {
  std::string text;
  for (const Report& report : reports.first) text += report.text + "\n";
  if (reports.count > reports.first.size()) {
    text += fmt::format("and {} more\n", reports.count - reports.first.size());
  }
  return text;
}

const Module& Machine::load(std::string_view ptx) {
  Module& module = modules_.emplace_back(parse(ptx));
  if (module.variables.empty()) return module;
  const Address variables = global_.allocate(module.variables.size());
  ++module_allocations_;
  write(variables, module.variables.data(), module.variables.size());
  for (auto& [name, kernel] : module.kernels) {
    for (Instruction& at : kernel.instructions) {
      resolve(at.address, variables);
      for (Operand& source : at.sources) resolve(source, variables);
    }
  }
  return module;
}

void Machine::write(Address address, const void* source, size_t bytes) {
  uint64_t offset = 0;
  Region* region = global_.find(address, bytes, &offset);
  if (!region) throw PtxError(fmt::format("{} bytes written at {:#x}", bytes, address));
  region->fill(source, offset, bytes);
}

void Machine::read(Address address, void* destination, size_t bytes) {
  uint64_t offset = 0;
  const Region* region = global_.find(address, bytes, &offset);
  if (!region) throw PtxError(fmt::format("{} bytes read at {:#x}", bytes, address));
  if (bytes) std::memcpy(destination, region->data.data() + offset, bytes);
}

Outcome Machine::launch(const Module& module, std::string_view kernel, Dim3 grid, Dim3 block,
                        uint32_t dynamic_shared, const Arguments& arguments) {
  const auto found = module.kernels.find(kernel);
  if (found == module.kernels.end()) throw PtxError(fmt::format("no kernel {}", kernel));
  if (block.count() < 1 || block.count() > 1024 || grid.count() < 1) {
    throw PtxError(fmt::format("{}: {} blocks of {} threads", kernel, grid.count(), block.count()));
  }
  const std::vector<uint8_t> parameters = arguments.packed_for(found->second);
  Outcome outcome;
  Launch launch{found->second, grid,   block, dynamic_shared, parameters, global_, outcome.reports,
                ++launches_,   budget, 0,     order,          seed};
  for (const uint64_t number : block_order(launch)) {
    Block(launch, block_index(number, grid)).run();
  }
  outcome.instructions = launch.executed;
  return outcome;
}

}  // namespace ag::ptx
