// One compiled kernel linked into this process, with buffers as its request describes them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codegen/kernel/request.h"
#include "ir/reference_tensor.h"
#include "runtime/halide_abi.h"

namespace ag {

class KernelRunner {
 public:
  // f32 operands and results only. The object must be for this machine.
  KernelRunner(const KernelRequest& request, const std::string& object);
  ~KernelRunner();
  KernelRunner(const KernelRunner&) = delete;
  KernelRunner& operator=(const KernelRunner&) = delete;

  // Stores the values; halo and padding lanes become zero.
  void set_operand(size_t i, const ReferenceTensor& value);
  // Makes every element of the results NaN, so that one never written shows.
  void poison_results();
  void run();
  ReferenceTensor result(size_t i) const;
  // Whether all padding lanes of a result hold zero and its halo is as poison_results() left it.
  bool surroundings_intact(size_t i) const;

 private:
  struct Buffer {
    BufferForm form;
    std::vector<int64_t> extents, strides;  // physical, outermost first
    std::vector<float> storage;
    size_t origin = 0;  // of element (0, …, 0) in storage
    std::vector<halide_dimension_t> dims;
    halide_buffer_t view{};

    explicit Buffer(const BufferForm& form);
    size_t offset(const std::vector<int64_t>& logical) const;
  };

  size_t operand_count_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<halide_buffer_t*> arguments_;
  void* library_ = nullptr;
  void* function_ = nullptr;
};

}  // namespace ag
