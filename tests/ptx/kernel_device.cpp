#include "tests/ptx/kernel_device.h"

#include "ir/reference_tensor.h"

namespace ag {
namespace {

ptx::Dim3 dims(const std::vector<int64_t>& sizes) {
  return {static_cast<uint32_t>(sizes[0]), static_cast<uint32_t>(sizes[1]),
          static_cast<uint32_t>(sizes[2])};
}

// Bytes from the first element to behind the last.
size_t span_of(const BufferForm& form) {
  int64_t last = 0;
  if (form.strides.empty()) last = form.type.count() - 1;
  for (size_t d = 0; d < form.strides.size(); ++d)
    last += (form.type.shape[d] - 1) * form.strides[d];
  return static_cast<size_t>(last + 1) * size_of(form.type.dtype);
}

// Calls f(byte of the dense tensor, byte of the buffer) for every element.
template <class F>
void for_each_element(const BufferForm& form, F&& f) {
  const size_t bytes = size_of(form.type.dtype);
  size_t element = 0;
  for_each_index(form.type.shape, [&](const std::vector<int64_t>& index) {
    int64_t at = form.strides.empty() ? static_cast<int64_t>(element) : 0;
    for (size_t d = 0; d < form.strides.size(); ++d) at += index[d] * form.strides[d];
    f(bytes * element++, bytes * static_cast<size_t>(at));
  });
}

}  // namespace

KernelDevice::KernelDevice(const KernelCase& test, const KernelResult& kernel)
    : test_(test), kernel_(kernel) {
  for (size_t i = 0; i < test.operands.size(); ++i) {
    const Array array = test.operands[i].to_array();
    const BufferForm& form = test.request.operands[i];
    const size_t bytes = size_of(form.type.dtype);
    const auto* dense = static_cast<const std::byte*>(array.data());
    parameters_.push_back(machine_.allocate(span_of(form)));
    for_each_element(form, [&](size_t from, size_t to) {
      machine_.write(parameters_.back() + to, dense + from, bytes);
    });
  }
  for (size_t i = 0; i < test.results.size(); ++i) {
    const int64_t over = test.request.in_place.empty() ? -1 : test.request.in_place[i];
    parameters_.push_back(over >= 0 ? parameters_[static_cast<size_t>(over)]
                                    : machine_.allocate(span_of(test.request.results[i])));
  }
  scratch_ = machine_.allocate(static_cast<size_t>(kernel.scratch_bytes));
  constants_ = filled(kernel.constants.data(), kernel.constants.size());
}

std::string KernelDevice::run(ptx::Order order) {
  machine_.order = order;
  const ptx::Module& module = machine_.load(kernel_.ptx);
  std::string reports;
  for (const KernelLaunch& launch : kernel_.launches) {
    ptx::Arguments arguments;
    for (const LaunchArgument& argument : launch.arguments) {
      const ptx::Address address = address_of(argument);
      arguments.add(&address, sizeof address);
    }
    reports += machine_
                   .launch(module, launch.entry, dims(launch.blocks), dims(launch.threads),
                           static_cast<uint32_t>(launch.shared_bytes), arguments)
                   .text();
  }
  return reports;
}

Array KernelDevice::result(size_t i) {
  const BufferForm& form = test_.request.results[i];
  Array array(form.type.dtype, form.type.shape);
  const size_t bytes = size_of(form.type.dtype);
  auto* dense = static_cast<std::byte*>(array.data());
  const ptx::Address address = parameters_[test_.operands.size() + i];
  for_each_element(
      form, [&](size_t to, size_t from) { machine_.read(address + from, dense + to, bytes); });
  return array;
}

ptx::Address KernelDevice::filled(const void* data, size_t bytes) {
  const ptx::Address address = machine_.allocate(bytes);
  machine_.write(address, data, bytes);
  return address;
}

ptx::Address KernelDevice::address_of(const LaunchArgument& argument) const {
  using Memory = LaunchArgument::Memory;
  const auto where = static_cast<uint64_t>(argument.where);
  if (argument.memory == Memory::parameter) return parameters_[where];
  return (argument.memory == Memory::scratch ? scratch_ : constants_) + where;
}

}  // namespace ag
