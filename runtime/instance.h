// An opened network and an instance of it: all memory that running a program needs.
#pragma once

#include <atomic>

#include "runtime/image.h"
#include "runtime/thread_pool.h"

namespace ag::rt {

inline constexpr uint64_t kStorageAlignment = 64;
// Kernels may read up to a vector beyond a buffer's last element.
inline constexpr uint64_t kStorageSlack = 256;
// More than any machine has: refused without asking the system.
inline constexpr uint64_t kMostStorage = uint64_t{1} << 39;
// Headers and rounding of the kernels' own allocations, on top of EntryRecord::scratch_bytes.
inline constexpr uint64_t kScratchSlack = 16 * 1024;

struct Instance;

// One thread's part of an instance; kernels get it as their user_context. Each has cache lines of
// its own, since a thread writes its scratch's top in every task.
struct alignas(128) Worker {
  Instance* instance;
  uint32_t index;  // 0 is the caller
  bool in_task;    // inside a parallel loop: a loop within it runs serially
  uint8_t* scratch;
  uint8_t* scratch_top;
  uint8_t* scratch_end;
  void* last;                 // the topmost block of the scratch region
  argent_trace_event* event;  // its last tasks in a traced run; null: none yet
};

// Boxes of a buffer that are to be zero: a halo.
struct ZeroBoxes {
  const halide_buffer_t* buffer;
  const BoxRecord* boxes;
  uint64_t count;
};

// Of the results of one kernel, at most so many wait for its parallel loop.
inline constexpr uint32_t kMostWaitingZeros = 4;

struct Network : argent_network {
  const Image* image;
  std::atomic<uint32_t> instances;
  std::atomic<bool> stale;  // a shared parameter was set after the last prepare
  uint8_t* parameters;      // null: those of the image
  uint8_t* prepared;        // null: those of the image
};

// Of a run whose steps are timed.
struct Profile {
  uint64_t last_ns;
  argent_step_time* times;  // of the running entry's steps; null: only traced
  Instance* instance;
};

// What instances of every family have: those of processors, below, and of devices.
struct BaseInstance : argent_instance {
  bool profiling;
  argent_step_time* step_times;  // of all entries; null until profiled
  argent_trace_room* trace;      // null: not traced
  std::atomic<bool> running;
  char message[ARGENT_MESSAGE_BYTES];
};

struct Instance : BaseInstance {
  const Image* image;
  halide_buffer_t* buffers;
  uint8_t* arena;
  uint8_t* state;
  const uint8_t* parameters;  // what the buffers point to now
  const uint8_t* prepared;
  uint32_t threads;
  Worker* workers;  // `threads` of them
  void** contexts;  // pointers to them, as the pool wants them
  Team* team;       // lent by the pool during a call that has parallel loops
  bool pool_reserved;
  bool shares_loops;                           // the entry that runs does so on several threads
  ZeroBoxes waiting_zeros[kMostWaitingZeros];  // of the kernel that comes next
  uint32_t waiting_count;
  uint32_t trace_step;                      // the step that runs
  std::atomic<bool> failed;                 // a kernel has left its message
  std::atomic<uint64_t> scratch_overflows;  // allocations that did not fit the scratch region
};

// Marks an instance as in use; a second user at the same time is told so.
class Use {
 public:
  explicit Use(BaseInstance* instance)
      : instance_(instance), mine_(instance && !instance->running.exchange(true)) {}
  ~Use() {
    if (mine_) instance_->running.store(false);
  }
  explicit operator bool() const { return mine_; }
  // The code when it is not ours. The message belongs to the other user.
  int refusal() const { return instance_ ? ARGENT_BUSY : ARGENT_BAD_ARGUMENT; }

 private:
  BaseInstance* instance_;
  bool mine_;
};

// Writes a message and returns the code.
__attribute__((format(printf, 3, 4))) int fail(char* message, int code, const char* format, ...);

uint64_t now_ns();

// Zero-filled memory aligned to kStorageAlignment, with kStorageSlack on both sides; null when
// there is none.
uint8_t* allocate_storage(uint64_t bytes);
void free_storage(uint8_t* storage);

// Fills the records' host pointers from the storages' addresses; buffers of a storage whose base is
// null are left alone.
void bind_storages(const Image& image, halide_buffer_t* buffers, uint8_t* const* bases);

// The image's bytes or the network's own copy of a storage that instances share.
const uint8_t* parameters_of(const Network& network);
const uint8_t* prepared_of(const Network& network);

// Fills network.prepared from the parameters.
int prepare_network(Network& network, char* message);

// Times of the steps of one entry, among those of all.
argent_step_time* step_times_of(const BaseInstance& instance, uint32_t entry);
// A run of a step that took so long.
void add_step_time(argent_step_time& time, uint64_t nanoseconds);

// Part `part` of `parts` of the rows of each box.
void zero_part(const ZeroBoxes& zeros, uint32_t part, uint32_t parts);

// Null when there is no more room; the event is counted all the same.
argent_trace_event* add_event(argent_trace_room& room, const argent_trace_event& event);
// An event of a traced run.
void trace_step(Instance& instance, uint32_t step, uint64_t begin_ns, uint64_t end_ns);
// The loop on the instance's team, each thread's tasks recorded.
int run_traced(Instance& instance, const Loop& loop);

// Scratch regions and workers for `threads` threads.
bool allocate_workers(Instance& instance, uint32_t threads);
void free_workers(Instance& instance);

}  // namespace ag::rt
