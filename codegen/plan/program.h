// A planned program: what the planner hands to codegen/link.
//
// Everything here is final: buffers have addresses (a storage and an offset), kernels are object
// bytes, steps are in order. The linker adds the driver functions, the runtime and the C ABI.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codegen/kernel/request.h"
#include "ir/dtype.h"
#include "ir/layout.h"
#include "ir/location.h"

namespace ag::plan {

// Memory a buffer lives in. Offsets are counted from the start of the storage, which is aligned to
// kStorageAlignment bytes (inputs and outputs: only to their element).
enum class Storage : uint8_t {
  arena,      // scratch of one instance, shared by all entries; nothing survives a call
  input,      // bound by the caller in each call; row-major, dense; never written
  output,     // bound by the caller in each call; row-major, dense; must not overlap an input
  state,      // owned by one instance, survives calls, starts as a copy of Program::state
  parameter,  // plain weights shared by the instances, read-only; Program::parameters
  prepared,   // shared by the instances, written by Program::prepare, read-only to entries
  constant,   // Program::constants, read-only
};
inline constexpr int kStorageCount = 7;
inline constexpr int64_t kStorageAlignment = 64;

enum class Role : uint8_t { input, output, parameter, state };

// A tensor the outside can name.
struct Tensor {
  std::string name;  // "image", "layer1.0.conv2.weight"
  DType dtype = DType::f32;
  Shape shape;  // logical
  Role role = Role::input;
  // Parameters and state: the buffer they are stored in (storage state, parameter or constant) and
  // its layout; -1 for inputs and outputs, which are row-major and dense in the caller's memory.
  int buffer = -1;
  Layout layout;
  // Outputs that replace a parameter or state: that tensor's index. Its last writer writes into the
  // tensor's own buffer; such an output is not among Entry::outputs.
  int updates = -1;
};

// One dimension of a buffer; the stride is in elements.
struct BufferDim {
  int32_t extent = 1;
  int32_t stride = 1;
  bool operator==(const BufferDim&) const = default;
};

// One prebuilt halide_buffer_t of an instance. Mins are 0; `offset` is the byte offset of element
// (0, …, 0), so a halo lies before it. Several buffers may view the same bytes.
struct Buffer {
  Storage storage = Storage::arena;
  int tensor = -1;  // storage input or output: index into Program::tensors
  int64_t offset = 0;
  DType dtype = DType::f32;
  std::vector<BufferDim> dims;  // physical, innermost first (Halide's order)
};

// What the runtime does itself, without a kernel.
enum class Routine : uint8_t {
  none,        // the step calls a kernel
  zero_boxes,  // writes zero to every box of buffers[0]: halos, padding lanes
  copy,        // copies buffers[0] to buffers[1]: same dtype and extents, any strides
  // Of CUDA programs: between the caller's memory, which may be the host's, and the device's. Both
  // buffers are dense and alike. Where the caller gives memory of the device, the runtime may use
  // that in place of the device's buffer and copy nothing.
  upload,    // buffers[0], of storage input, to buffers[1]
  download,  // buffers[0] to buffers[1], of storage output
};

// A strided box of elements of a buffer, relative to its element (0, …, 0); extents as in `dims`,
// innermost first. A halo row below the image has a negative offset.
struct Box {
  int64_t offset = 0;  // bytes
  std::vector<BufferDim> dims;
};

struct Step {
  std::string kernel;  // symbol in Program::kernels; empty for a routine
  Routine routine = Routine::none;
  std::vector<int>
      buffers;             // indices into Program::buffers, in the order of the kernel's arguments
  std::vector<Box> boxes;  // of zero_boxes
  std::string name;        // for profiles: "conv+bias+relu"
  Location location;       // the user's line and layer
  int64_t flops = 0;       // of one call
  int64_t bytes = 0;       // read and written at least, of one call
  std::string schedule;    // of the kernel, in text; empty for a routine
  int64_t live_bytes = 0;  // of the arena: values that are alive while the step runs
};

struct Entry {
  std::string name;         // "forward_b1", "train_step"
  std::vector<int> inputs;  // indices into Program::tensors, in the order of the C ABI
  std::vector<int> outputs;
  std::vector<Step> steps;
  int64_t arena_bytes = 0;
  int64_t scratch_bytes = 0;  // the most that kernels allocate at a time on one thread
  bool one_thread = false;    // so little work that other threads would come too late
};

// A kernel of a CUDA program: a module of PTX, and what a call of the kernel launches, in order.
struct DeviceKernel {
  std::string ptx;
  std::vector<KernelLaunch> launches;
  std::string constants;  // read-only bytes that launches name; device memory like parameters
};

// Bytes. Shared, so that a Program is cheap to copy.
using Blob = std::shared_ptr<const std::string>;

struct Program {
  std::string name;    // a C identifier: prefix of the exported functions
  std::string target;  // a name known to codegen/target.h, never "host"
  std::vector<Tensor> tensors;
  std::vector<Buffer> buffers;
  std::vector<Entry> entries;
  std::vector<Step>
      prepare;  // fills `prepared` from `parameter`; run once, and again after a weight swap
  int64_t prepare_arena_bytes = 0;
  int64_t prepare_scratch_bytes = 0;
  int64_t prepared_bytes = 0;
  Blob state, parameters, constants;  // null: empty
  // Set by bake_weights (codegen/link) in place of the prepare steps; `parameters` are then fixed.
  Blob prepared;
  std::map<std::string, Blob> kernels;  // symbol -> bytes of an ELF object that defines it
  // In place of `kernels` for a CUDA target. All storages but input and output are then memory of
  // the device, and only uploads and downloads touch those two.
  std::map<std::string, std::shared_ptr<const DeviceKernel>> device_kernels;
};

}  // namespace ag::plan
