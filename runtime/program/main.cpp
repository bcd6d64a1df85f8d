// A compiled network as a program: reads .npy files, runs, writes .npy files; or measures itself.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/instance.h"
#include "runtime/program/npy.h"

extern "C" const argent_library* argent_model();

namespace ag::rt {
namespace {

constexpr int kSuccess = 0, kUsersMistake = 1;
constexpr uint32_t kMaxTensors = 64;

struct Arguments {
  bool bench = false, help = false, info = false;
  uint32_t threads = 1;
  uint32_t runs = 100;
  const char* entry = nullptr;
  const char* files[kMaxTensors];
  uint32_t file_count = 0;
};

int say(const char* text) {
  dprintf(STDERR_FILENO, "error: %s\n", text);
  return kUsersMistake;
}

void print_tensors(const char* what, const argent_tensor_info* const* tensors, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const argent_tensor_info& info = *tensors[i];
    dprintf(STDOUT_FILENO, "  %s %s: %llu bytes, [", what, info.name,
            static_cast<unsigned long long>(info.bytes));
    for (uint32_t d = 0; d < info.rank; ++d) {
      dprintf(STDOUT_FILENO, "%s%lld", d ? "," : "", static_cast<long long>(info.shape[d]));
    }
    dprintf(STDOUT_FILENO, "]\n");
  }
}

int describe(const argent_library& library) {
  dprintf(STDOUT_FILENO, "%s for %s\n", library.name, library.target);
  for (uint32_t e = 0; e < library.entry_count; ++e) {
    const argent_entry_info& entry = library.entries[e];
    dprintf(STDOUT_FILENO, "%s: %u steps, %llu bytes of arena\n", entry.name, entry.step_count,
            static_cast<unsigned long long>(entry.arena_bytes));
    print_tensors("input", entry.inputs, entry.input_count);
    print_tensors("output", entry.outputs, entry.output_count);
  }
  return kSuccess;
}

int usage(const argent_library& library) {
  dprintf(STDOUT_FILENO,
          "%s: a network compiled by Argent\n\n"
          "  %s INPUT.npy ... OUTPUT.npy ...   runs it\n"
          "  %s --bench [--runs N]             measures it\n"
          "  %s --info                         its functions, inputs and outputs\n\n"
          "  --threads N    up to N threads (1)\n"
          "  --entry NAME   this function; else the first whose inputs fit\n",
          library.name, library.name, library.name, library.name);
  return kSuccess;
}

bool parse_count(const char* text, uint32_t* count) {
  char* end;
  const long value = strtol(text, &end, 10);
  if (end == text || *end != 0 || value < 1 || value > 1'000'000'000) return false;
  *count = static_cast<uint32_t>(value);
  return true;
}

// The option's value goes to where `option` says; false when it is missing or no number.
bool parse_value(const char* option, const char* value, Arguments* arguments) {
  if (!value) return false;
  if (strcmp(option, "--threads") == 0) return parse_count(value, &arguments->threads);
  if (strcmp(option, "--runs") == 0) return parse_count(value, &arguments->runs);
  if (strcmp(option, "--entry") != 0) return false;
  arguments->entry = value;
  return true;
}

bool parse(int count, char** values, Arguments* arguments, char* message) {
  for (int i = 1; i < count; ++i) {
    const char* value = values[i];
    if (strcmp(value, "--bench") == 0) {
      arguments->bench = true;
    } else if (strcmp(value, "--help") == 0 || strcmp(value, "-h") == 0) {
      arguments->help = true;
    } else if (strcmp(value, "--info") == 0) {
      arguments->info = true;
    } else if (strncmp(value, "--", 2) == 0) {
      if (!parse_value(value, i + 1 < count ? values[i + 1] : nullptr, arguments)) {
        snprintf(message, ARGENT_MESSAGE_BYTES,
                 "%s is no option, or lacks a value that fits; see --help", value);
        return false;
      }
      ++i;
    } else if (arguments->file_count < kMaxTensors) {
      arguments->files[arguments->file_count++] = value;
    }
  }
  return true;
}

bool fits(const argent_entry_info& entry, const NpyTensor* inputs, uint32_t file_count) {
  if (entry.input_count + entry.output_count != file_count) return false;
  for (uint32_t i = 0; i < entry.input_count; ++i) {
    const argent_tensor& given = inputs[i].tensor;
    if (given.rank != entry.inputs[i]->rank || given.dtype != entry.inputs[i]->dtype ||
        memcmp(inputs[i].shape, entry.inputs[i]->shape, given.rank * sizeof(int64_t)) != 0) {
      return false;
    }
  }
  return true;
}

// The entry to run: the one asked for, else the first that fits, else the first (whose check then
// says what is wrong). entry_count when no entry has the name asked for.
uint32_t choose_entry(const argent_library& library, const Arguments& arguments,
                      const NpyTensor* inputs) {
  if (arguments.entry) {
    uint32_t e = 0;
    while (e < library.entry_count && strcmp(library.entries[e].name, arguments.entry) != 0) ++e;
    return e;
  }
  for (uint32_t e = 0; inputs && e < library.entry_count; ++e) {
    if (fits(library.entries[e], inputs, arguments.file_count)) return e;
  }
  return 0;
}

// Zero-filled tensors as declared. Never freed: the program ends with them.
bool allocate_tensors(const argent_tensor_info* const* infos, uint32_t count,
                      argent_tensor* tensors) {
  for (uint32_t i = 0; i < count; ++i) {
    void* data = allocate_storage(infos[i]->bytes);
    if (!data) return false;
    tensors[i] = {data, infos[i]->shape, infos[i]->bytes, infos[i]->rank, infos[i]->dtype};
  }
  return true;
}

int bench(const Arguments& arguments, const argent_entry_info& entry, uint32_t index,
          argent_instance* instance) {
  static argent_tensor inputs[kMaxTensors], outputs[kMaxTensors];
  if (!allocate_tensors(entry.inputs, entry.input_count, inputs) ||
      !allocate_tensors(entry.outputs, entry.output_count, outputs)) {
    return say("out of memory");
  }
  auto* times = static_cast<uint64_t*>(malloc(arguments.runs * sizeof(uint64_t)));
  if (!times) return say("out of memory");
  int64_t flops = 0;
  for (uint32_t s = 0; s < entry.step_count; ++s) flops += entry.steps[s].flops;
  for (uint32_t run = 0; run < arguments.runs; ++run) {
    const uint64_t start = now_ns();
    if (argent_run(instance, index, inputs, entry.input_count, outputs, entry.output_count) != 0) {
      return say(argent_message(instance));
    }
    times[run] = now_ns() - start;
  }
  qsort(times, arguments.runs, sizeof(uint64_t), [](const void* a, const void* b) {
    const auto first = *static_cast<const uint64_t*>(a), second = *static_cast<const uint64_t*>(b);
    return first < second ? -1 : first > second ? 1 : 0;
  });
  const uint64_t minimum = times[0] ? times[0] : 1, median = times[arguments.runs / 2];
  dprintf(STDOUT_FILENO,
          "%s: min %llu.%03llu us, median %llu.%03llu us, %lld.%lld GFLOP/s, %u runs\n", entry.name,
          static_cast<unsigned long long>(minimum / 1000),
          static_cast<unsigned long long>(minimum % 1000),
          static_cast<unsigned long long>(median / 1000),
          static_cast<unsigned long long>(median % 1000),
          static_cast<long long>(flops / static_cast<int64_t>(minimum)),
          static_cast<long long>(flops * 10 / static_cast<int64_t>(minimum) % 10), arguments.runs);
  return kSuccess;
}

int run_files(const Arguments& arguments, const argent_entry_info& entry, uint32_t index,
              const NpyTensor* files, argent_instance* instance) {
  static argent_tensor inputs[kMaxTensors], outputs[kMaxTensors];
  char message[ARGENT_MESSAGE_BYTES];
  for (uint32_t i = 0; i < entry.input_count; ++i) {
    inputs[i] = files[i].tensor;
    inputs[i].shape = files[i].shape;
  }
  if (!allocate_tensors(entry.outputs, entry.output_count, outputs)) return say("out of memory");
  if (argent_run(instance, index, inputs, entry.input_count, outputs, entry.output_count) != 0) {
    return say(argent_message(instance));
  }
  for (uint32_t i = 0; i < entry.output_count; ++i) {
    if (!write_npy(arguments.files[entry.input_count + i], outputs[i], message)) {
      return say(message);
    }
  }
  return kSuccess;
}

int run_program(const argent_library& library, const Arguments& arguments) {
  static NpyTensor files[kMaxTensors];
  char message[ARGENT_MESSAGE_BYTES];
  const argent_entry_info& first =
      library.entries[choose_entry(library, arguments, nullptr) % library.entry_count];
  const uint32_t expected = first.input_count + first.output_count;
  if (!arguments.bench && (arguments.file_count != expected || expected > kMaxTensors)) {
    snprintf(message, sizeof message,
             "%u inputs and %u outputs expected, %u files given; see --help", first.input_count,
             first.output_count, arguments.file_count);
    return say(message);
  }
  for (uint32_t i = 0; !arguments.bench && i < first.input_count; ++i) {
    if (!read_npy(arguments.files[i], &files[i], message)) return say(message);
  }
  const uint32_t index = choose_entry(library, arguments, arguments.bench ? nullptr : files);
  if (index == library.entry_count) return say("no function of that name; see --info");
  argent_error error;
  argent_network* network = argent_open(&library, &error);
  argent_instance* instance = network ? argent_create(network, arguments.threads, &error) : nullptr;
  if (!instance) return say(error.message);
  const argent_entry_info& entry = library.entries[index];
  return arguments.bench ? bench(arguments, entry, index, instance)
                         : run_files(arguments, entry, index, files, instance);
}

}  // namespace
}  // namespace ag::rt

int main(int count, char** values) {
  using namespace ag::rt;
  const argent_library& library = *argent_model();
  Arguments arguments;
  char message[ARGENT_MESSAGE_BYTES];
  if (!parse(count, values, &arguments, message)) return say(message);
  if (arguments.help || count == 1) return usage(library);
  return arguments.info ? describe(library) : run_program(library, arguments);
}
