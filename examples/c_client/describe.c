/* describe NET.so: what a compiled network is, and how fast it runs on zeros. Plain C, for any
 * network: it knows the C ABI alone, not the header made beside the library.
 *
 *   cc -std=c99 describe.c -I PREFIX/include -ldl -o describe
 */
#define _POSIX_C_SOURCE 199309L
#include <argent/runtime/argent_abi.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void print_tensor(const char* role, const argent_tensor_info* tensor) {
  printf("  %s %s [", role, tensor->name);
  for (uint32_t axis = 0; axis < tensor->rank; ++axis)
    printf("%s%lld", axis ? ", " : "", (long long)tensor->shape[axis]);
  printf("], %llu bytes\n", (unsigned long long)tensor->bytes);
}

/* A caller's tensor of zeros that fits the description. */
static argent_tensor make_tensor(const argent_tensor_info* info) {
  argent_tensor tensor = {calloc(1, info->bytes), info->shape, info->bytes, info->rank,
                          info->dtype};
  return tensor;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Runs an entry a hundred times; returns the ABI's code. */
static int time_entry(argent_instance* instance, uint32_t index, const argent_entry_info* entry) {
  argent_tensor* inputs = calloc(entry->input_count, sizeof *inputs);
  argent_tensor* outputs = calloc(entry->output_count, sizeof *outputs);
  double best = 1e9;
  int code = ARGENT_OK;
  for (uint32_t i = 0; i < entry->input_count; ++i) inputs[i] = make_tensor(entry->inputs[i]);
  for (uint32_t i = 0; i < entry->output_count; ++i) outputs[i] = make_tensor(entry->outputs[i]);
  for (int run = 0; run < 100 && code == ARGENT_OK; ++run) {
    const double start = seconds();
    code = argent_run(instance, index, inputs, entry->input_count, outputs, entry->output_count);
    if (seconds() - start < best) best = seconds() - start;
  }
  if (code == ARGENT_OK)
    printf("  %.1f microseconds\n", 1e6 * best);
  else
    fprintf(stderr, "cannot run: %s\n", argent_message(instance));
  for (uint32_t i = 0; i < entry->input_count; ++i) free(inputs[i].data);
  for (uint32_t i = 0; i < entry->output_count; ++i) free(outputs[i].data);
  free(inputs);
  free(outputs);
  return code;
}

static int describe(const argent_library* library) {
  argent_error error;
  argent_network* network = argent_open(library, &error);
  argent_instance* instance = network ? argent_create(network, 1, &error) : NULL;
  int code = instance ? ARGENT_OK : error.code;
  if (!instance) fprintf(stderr, "cannot open: %s\n", error.message);
  printf("%s, compiled for %s\n", library->name, library->target);
  for (uint32_t index = 0; index < library->entry_count && code == ARGENT_OK; ++index) {
    const argent_entry_info* entry = &library->entries[index];
    printf("%s: %u steps, arena of %llu bytes\n", entry->name, entry->step_count,
           (unsigned long long)entry->arena_bytes);
    for (uint32_t i = 0; i < entry->input_count; ++i) print_tensor("input", entry->inputs[i]);
    for (uint32_t i = 0; i < entry->output_count; ++i) print_tensor("output", entry->outputs[i]);
    code = time_entry(instance, index, entry);
  }
  argent_destroy(instance);
  argent_close(network);
  return code;
}

int main(int argc, char** argv) {
  void* library;
  union {
    void* symbol;
    const argent_library* (*function)(void);
  } model;
  if (argc != 2) {
    fprintf(stderr, "usage: describe NET.so\n");
    return 1;
  }
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  model.symbol = library ? dlsym(library, "argent_model") : NULL;
  if (!model.symbol) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  return describe(model.function()) == ARGENT_OK ? 0 : 1;
}
