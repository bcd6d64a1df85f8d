// Memory of instances: storages, workers' scratch, the records' addresses.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "runtime/instance.h"

namespace ag::rt {

namespace {

// Of x86-64, and of aarch64 where ordinary pages have 4 KiB.
constexpr uint64_t kLargePage = uint64_t{2} << 20;
// A multiple of any ordinary page.
constexpr uint64_t kPages = 64 * 1024;
// In front of a storage's slack: the bytes of its mapping, 0 for memory of malloc.
constexpr uint64_t kHeader = kStorageAlignment;

// A mapping of its own that begins with a large page and asks for these, where the system gives
// them on request: kernels walk through many more small ones than the TLB holds. A refusal costs
// nothing but time.
uint8_t* map_pages(uint64_t bytes) {
  const long mapped = syscall(SYS_mmap, nullptr, bytes + kLargePage, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == -1) return nullptr;
  auto* region = reinterpret_cast<uint8_t*>(mapped);
  const uint64_t before = -reinterpret_cast<uintptr_t>(region) & (kLargePage - 1);
  uint8_t* memory = region + before;
  if (before > 0) syscall(SYS_munmap, region, before);
  syscall(SYS_munmap, memory + bytes, kLargePage - before);
  syscall(SYS_madvise, memory, bytes / kLargePage * kLargePage, MADV_HUGEPAGE);
  return memory;
}

uint8_t* allocate_aligned(uint64_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kStorageAlignment, bytes) != 0) return nullptr;
  return static_cast<uint8_t*>(memory);
}

}  // namespace

uint8_t* allocate_storage(uint64_t bytes) {
  if (bytes > kMostStorage) return nullptr;
  const uint64_t total = kHeader + bytes + 2 * kStorageSlack;
  const uint64_t mapped = total < kLargePage ? 0 : (total + kPages - 1) / kPages * kPages;
  uint8_t* memory = mapped > 0 ? map_pages(mapped) : allocate_aligned(total);
  if (!memory) return nullptr;
  memset(memory, 0, total);  // of a mapping, too: its pages come now, not in the first run
  memcpy(memory, &mapped, sizeof mapped);
  return memory + kHeader + kStorageSlack;
}

void free_storage(uint8_t* storage) {
  if (!storage) return;
  uint8_t* memory = storage - kStorageSlack - kHeader;
  uint64_t mapped = 0;
  memcpy(&mapped, memory, sizeof mapped);
  if (mapped > 0) {
    syscall(SYS_munmap, memory, mapped);
  } else {
    free(memory);
  }
}

void bind_storages(const Image& image, halide_buffer_t* buffers, uint8_t* const* bases) {
  for (uint64_t i = 0; i < image.buffer_count; ++i) {
    const BufferRecord& record = image.buffers[i];
    halide_buffer_t& buffer = buffers[i];
    buffer.type = record.type;
    buffer.dimensions = record.dimensions;
    buffer.dim = record.dims;
    if (bases[record.storage]) buffer.host = bases[record.storage] + record.offset;
  }
}

namespace {

uint64_t scratch_bytes_of(const Image& image) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < image.description.entry_count; ++i) {
    if (image.entries[i].scratch_bytes > most) most = image.entries[i].scratch_bytes;
  }
  return most + kScratchSlack;
}

}  // namespace

bool allocate_workers(Instance& instance, uint32_t threads) {
  const uint64_t scratch = scratch_bytes_of(*instance.image);
  void* memory = nullptr;
  if (posix_memalign(&memory, alignof(Worker), threads * sizeof(Worker)) != 0) memory = nullptr;
  if (memory) memset(memory, 0, threads * sizeof(Worker));
  auto* workers = static_cast<Worker*>(memory);
  auto* contexts = static_cast<void**>(calloc(threads, sizeof(void*)));
  bool complete = workers && contexts;
  for (uint32_t i = 0; complete && i < threads; ++i) {
    Worker& worker = workers[i];
    contexts[i] = &worker;
    worker.instance = &instance;
    worker.index = i;
    worker.scratch = worker.scratch_top = allocate_storage(scratch);
    worker.scratch_end = worker.scratch + scratch;
    complete = worker.scratch != nullptr;
  }
  if (complete) {
    free_workers(instance);
    instance.workers = workers;
    instance.contexts = contexts;
    instance.threads = threads;
    return true;
  }
  for (uint32_t i = 0; workers && i < threads; ++i) free_storage(workers[i].scratch);
  free(workers);
  free(contexts);
  return false;
}

void free_workers(Instance& instance) {
  for (uint32_t i = 0; i < instance.threads; ++i) free_storage(instance.workers[i].scratch);
  free(instance.workers);
  free(instance.contexts);
  instance.workers = nullptr;
  instance.contexts = nullptr;
  instance.threads = 0;
}

}  // namespace ag::rt
