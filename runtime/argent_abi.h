/* The C ABI of compiled networks, version 1. Plain C99, usable from C++.
 *
 * A library NAME.so or NAME.a made by Argent exports NAME_model(), which describes the library and
 * holds its functions; a .so also exports argent_model(), the same under a name that is known
 * without the library's. The header NAME.h beside it has typed helpers over the calls below.
 *
 *   argent_network* network = argent_open(NAME_model(), NULL);
 *   argent_instance* instance = argent_create(network, 1, NULL);
 *   argent_run(instance, 0, inputs, 1, outputs, 1);
 *   argent_destroy(instance);
 *   argent_close(network);
 *
 * A library may hold code for several levels of processors (argent compile --target A,B): the
 * highest that the processor has is taken. The environment variable ARGENT_CPU, read once, makes a
 * processor pass for a lower one: with ARGENT_CPU=x86-64-v3 no AVX-512 is used, and a library that
 * has nothing plainer does not open.
 *
 * A library for NVIDIA GPUs (--target cuda-sm_80) has the same functions. It opens the driver
 * libcuda.so.1 (or what ARGENT_CUDA_DRIVER names) and device 0 (or what ARGENT_CUDA_DEVICE names;
 * argent_open_device gives others), and its tensors may be in the host's memory or in the device's,
 * there aligned to 16 bytes: which, the driver knows. Host memory is copied to the device and back
 * within the call; argent_set_stream makes runs go onto a stream of the caller's.
 *
 * Every call checks what it is given and returns a code; argent_message(instance) is the reason in
 * words. Different instances may run at the same time in different threads; one instance may not:
 * the second call is refused with ARGENT_BUSY, and the first goes on undisturbed. A run allocates
 * nothing. */
#ifndef ARGENT_ABI_H
#define ARGENT_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARGENT_ABI_VERSION 1
#define ARGENT_MESSAGE_BYTES 512
#define ARGENT_MAX_THREADS 256

typedef enum argent_status {
  ARGENT_OK = 0,
  ARGENT_BAD_ARGUMENT = 1, /* null or misaligned pointer, wrong count, index out of range */
  ARGENT_NOT_FOUND = 2,    /* no entry or parameter of that name */
  ARGENT_BAD_SHAPE = 3,    /* rank or extents differ from the declared ones */
  ARGENT_BAD_DTYPE = 4,
  ARGENT_BAD_SIZE = 5, /* byte size differs from shape and dtype */
  ARGENT_OUT_OF_MEMORY = 6,
  ARGENT_UNSUPPORTED_CPU = 7, /* this machine lacks instructions of the library's every level */
  ARGENT_UNSUPPORTED = 8,     /* this library was not compiled to do that */
  ARGENT_STALE = 9,           /* parameters were set and argent_prepare was not called */
  ARGENT_BUSY = 10, /* the instance is running in another thread, or the network has instances */
  ARGENT_KERNEL_FAILED = 11,
  ARGENT_BAD_VERSION = 12 /* library and caller speak different versions of this ABI */
} argent_status;

typedef enum argent_dtype {
  ARGENT_F64 = 0,
  ARGENT_F32 = 1,
  ARGENT_F16 = 2,
  ARGENT_BF16 = 3,
  ARGENT_I64 = 4,
  ARGENT_I32 = 5,
  ARGENT_I16 = 6,
  ARGENT_I8 = 7,
  ARGENT_U64 = 8,
  ARGENT_U32 = 9,
  ARGENT_U16 = 10,
  ARGENT_U8 = 11,
  ARGENT_BOOL = 12 /* one byte, 0 or 1 */
} argent_dtype;

typedef enum argent_role {
  ARGENT_INPUT = 0,
  ARGENT_OUTPUT = 1,
  ARGENT_PARAMETER = 2, /* trained values */
  ARGENT_STATE = 3      /* running statistics, optimizer state, random keys */
} argent_role;

/* What a tensor is. */
typedef struct argent_tensor_info {
  const char* name;
  const int64_t* shape; /* rank extents, outermost first */
  uint64_t bytes;       /* of the tensor, row-major and dense */
  uint32_t rank;
  uint32_t dtype; /* argent_dtype */
  uint32_t role;  /* argent_role */
  uint32_t reserved;
} argent_tensor_info;

/* A tensor of the caller: row-major, dense, aligned to its element. */
typedef struct argent_tensor {
  void* data;
  const int64_t* shape;
  uint64_t bytes;
  uint32_t rank;
  uint32_t dtype;
} argent_tensor;

/* One step of an entry: a kernel call or a routine of the runtime. */
typedef struct argent_step_info {
  const char* name;  /* "conv+bias+relu" */
  const char* scope; /* layer, e.g. "layer1.0.conv2"; may be empty */
  const char* file;  /* the user's source file; may be empty */
  int64_t flops;
  int64_t bytes;
  uint32_t line;
  uint32_t reserved;
} argent_step_info;

/* A function of the library. */
typedef struct argent_entry_info {
  const char* name; /* "forward_b1" */
  const argent_tensor_info* const* inputs;
  const argent_tensor_info* const* outputs;
  const argent_step_info* steps;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t step_count;
  uint32_t reserved;
  uint64_t arena_bytes;
} argent_entry_info;

/* Time of one step over the profiled runs. */
typedef struct argent_step_time {
  uint64_t runs;
  uint64_t minimum_ns;
  uint64_t total_ns;
} argent_step_time;

/* More about a step. */
typedef struct argent_step_detail {
  const char* schedule; /* of its kernel: "conv_direct{tile_k=2,tile_x=14}"; empty: a routine */
  uint64_t live_bytes;  /* of the arena: what holds values while the step runs */
} argent_step_detail;

/* What one thread did from begin_ns to end_ns (CLOCK_MONOTONIC): a step, or tasks of the parallel
 * loops of one, which lie within the step's own event. */
typedef struct argent_trace_event {
  uint64_t begin_ns;
  uint64_t end_ns;
  uint32_t step;   /* of the entry that runs */
  uint32_t thread; /* 0: the caller's */
  uint32_t tasks;  /* how many, one after another; 0: the whole step */
  uint32_t reserved;
} argent_trace_event;

/* The caller's room for events. */
typedef struct argent_trace_room {
  argent_trace_event* events;
  uint64_t capacity;
  uint64_t count; /* of the events so far; those beyond the capacity were not kept */
} argent_trace_room;

/* Why a call without an instance failed. */
typedef struct argent_error {
  int32_t code; /* argent_status */
  char message[ARGENT_MESSAGE_BYTES];
} argent_error;

typedef struct argent_library argent_library;

/* An opened library: weights, prepared once and shared by its instances. */
typedef struct argent_network {
  const argent_library* library;
} argent_network;

/* Everything one caller needs to run: arena, state, scratch of each thread. */
typedef struct argent_instance {
  const argent_library* library;
  argent_network* network;
} argent_instance;

/* A compiled library. Versions of the ABI only append to this struct; struct_bytes tells how much
 * of it the library has. Use the functions below rather than the pointers. */
struct argent_library {
  uint32_t abi_version;
  uint32_t struct_bytes;
  const char* name;
  const char* target; /* "x86-64-v3", "cuda-sm_80"; of several levels the one that was taken */
  const argent_entry_info* entries;
  const argent_tensor_info*
      tensors; /* parameters and state, by name; inputs and outputs are with the entries */
  uint32_t entry_count;
  uint32_t tensor_count;
  uint64_t state_bytes;  /* of one instance */
  uint64_t weight_bytes; /* shared */
  argent_network* (*open)(const argent_library*, argent_error*);
  int (*close)(argent_network*);
  argent_instance* (*create)(argent_network*, uint32_t threads, argent_error*);
  int (*destroy)(argent_instance*);
  int (*run)(argent_instance*, uint32_t entry, const argent_tensor* inputs, uint32_t input_count,
             const argent_tensor* outputs, uint32_t output_count);
  int (*get)(argent_instance*, const char* name, const argent_tensor* destination);
  int (*set)(argent_instance*, const char* name, const argent_tensor* source);
  int (*prepare)(argent_instance*);
  int (*set_threads)(argent_instance*, uint32_t threads);
  int (*profile)(argent_instance*, int enabled);
  int (*step_times)(argent_instance*, uint32_t entry, argent_step_time* times, uint32_t count);
  const char* (*message)(const argent_instance*);
  /* Of the steps of all entries, one entry after the other. */
  const argent_step_detail* step_details;
  int (*trace)(argent_instance*, argent_trace_room*);
  argent_network* (*open_device)(const argent_library*, uint32_t device, argent_error*);
  int (*set_stream)(argent_instance*, void* stream);
};

/* Whether the library is of an Argent that knew this member of the struct. */
#define ARGENT_HAS(library, member) \
  ((library)->struct_bytes >=       \
   offsetof(argent_library, member) + sizeof(((const argent_library*)NULL)->member))

/* Opens a library: checks ABI version and CPU, prepares the weights. NULL and *error (which may be
 * null) when that fails. */
static inline argent_network* argent_open(const argent_library* library, argent_error* error) {
  if (library && library->abi_version == ARGENT_ABI_VERSION) return library->open(library, error);
  if (error) error->code = library ? ARGENT_BAD_VERSION : ARGENT_BAD_ARGUMENT;
  if (error) error->message[0] = 0;
  return NULL;
}

/* The same on the device of that index, of those that the CUDA driver shows. NULL and
 * ARGENT_UNSUPPORTED when the library is for a processor. */
static inline argent_network* argent_open_device(const argent_library* library, uint32_t device,
                                                 argent_error* error) {
  if (library && library->abi_version == ARGENT_ABI_VERSION && ARGENT_HAS(library, open_device))
    return library->open_device(library, device, error);
  if (error) error->code = library ? ARGENT_BAD_VERSION : ARGENT_BAD_ARGUMENT;
  if (error) error->message[0] = 0;
  return NULL;
}

/* ARGENT_BUSY while instances of it exist. */
static inline int argent_close(argent_network* network) {
  return network ? network->library->close(network) : ARGENT_OK;
}

/* An instance that uses up to `threads` threads, the caller's among them. With 1 no other thread is
 * ever started. NULL and *error when memory is short or threads is not 1 … ARGENT_MAX_THREADS. */
static inline argent_instance* argent_create(argent_network* network, uint32_t threads,
                                             argent_error* error) {
  if (network) return network->library->create(network, threads, error);
  if (error) error->code = ARGENT_BAD_ARGUMENT;
  if (error) error->message[0] = 0;
  return NULL;
}

static inline int argent_destroy(argent_instance* instance) {
  return instance ? instance->library->destroy(instance) : ARGENT_OK;
}

/* Runs an entry: reads the inputs, writes the outputs, updates the instance's state. Inputs and
 * outputs stand in the order of argent_entry_info and may not overlap. After an error outputs and
 * state are undefined only if the code is ARGENT_KERNEL_FAILED, else untouched. */
static inline int argent_run(argent_instance* instance, uint32_t entry, const argent_tensor* inputs,
                             uint32_t input_count, const argent_tensor* outputs,
                             uint32_t output_count) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->run(instance, entry, inputs, input_count, outputs, output_count);
}

/* Makes runs go onto `stream`, a CUstream of the library's device: argent_run then returns when all
 * is on the stream, waits for nothing, and takes tensors in the device's memory only. The stream
 * must outlive the runs on it, and one run's work must be done before another stream begins the
 * next. NULL: a stream of the instance's own, for which each run waits, as at first. */
static inline int argent_set_stream(argent_instance* instance, void* stream) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  if (!ARGENT_HAS(instance->library, set_stream)) return ARGENT_UNSUPPORTED;
  return instance->library->set_stream(instance, stream);
}

/* Copies a parameter or state tensor out of, or into, the instance. A parameter the instances share
 * changes for all of them: set it while none runs, then call argent_prepare. A library whose
 * weights were prepared when it was compiled has no such parameters (ARGENT_UNSUPPORTED). */
static inline int argent_get(argent_instance* instance, const char* name,
                             const argent_tensor* destination) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->get(instance, name, destination);
}
static inline int argent_set(argent_instance* instance, const char* name,
                             const argent_tensor* source) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->set(instance, name, source);
}

/* Prepares the weights again after argent_set; does nothing when none changed. */
static inline int argent_prepare(argent_instance* instance) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->prepare(instance);
}

static inline int argent_set_threads(argent_instance* instance, uint32_t threads) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->set_threads(instance, threads);
}

/* Turns profiling on, with all times cleared, or off. */
static inline int argent_profile(argent_instance* instance, int enabled) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->profile(instance, enabled);
}

/* Times of the entry's steps since profiling was turned on; count must be its step_count. */
static inline int argent_step_times(argent_instance* instance, uint32_t entry,
                                    argent_step_time* times, uint32_t count) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  return instance->library->step_times(instance, entry, times, count);
}

/* Appends what each thread does in the next runs to `room`, which must outlive them; null stops
 * that. Each task costs two readings of the clock. */
static inline int argent_trace(argent_instance* instance, argent_trace_room* room) {
  if (!instance) return ARGENT_BAD_ARGUMENT;
  if (!ARGENT_HAS(instance->library, trace)) return ARGENT_UNSUPPORTED;
  return instance->library->trace(instance, room);
}

/* The reason of the instance's last error, in words; never null. ARGENT_BUSY leaves no message: the
 * place belongs to the call that is running. */
static inline const char* argent_message(const argent_instance* instance) {
  return instance ? instance->library->message(instance) : "the instance is null";
}

#ifdef __cplusplus
}
#endif
#endif /* ARGENT_ABI_H */
