#include "runtime/checks.h"

#include <cstdio>
#include <cstring>

#include "runtime/instance.h"

namespace ag::rt {
namespace {

struct DTypeRow {
  const char* name;
  uint64_t bytes;
};

// By argent_dtype.
constexpr DTypeRow kDTypes[] = {{"f64", 8}, {"f32", 4}, {"f16", 2}, {"bf16", 2}, {"i64", 8},
                                {"i32", 4}, {"i16", 2}, {"i8", 1},  {"u64", 8},  {"u32", 4},
                                {"u16", 2}, {"u8", 1},  {"bool", 1}};
constexpr uint32_t kDTypeCount = sizeof kDTypes / sizeof kDTypes[0];

// "[1,3,224,224]", cut where the room ends. A rank that no tensor has is not believed, and no
// extents are read.
struct ShapeText {
  ShapeText(const int64_t* shape, uint32_t rank) {
    if (rank > kMaxRank) {
      snprintf(text, sizeof text, "of rank %u", rank);
      return;
    }
    int used = snprintf(text, sizeof text, "[");
    for (uint32_t i = 0; i < rank && used < static_cast<int>(sizeof text) - 24; ++i) {
      used += snprintf(text + used, sizeof text - static_cast<size_t>(used), "%s%lld", i ? "," : "",
                       static_cast<long long>(shape[i]));
    }
    snprintf(text + used, sizeof text - static_cast<size_t>(used), "]");
  }
  char text[128];
};

bool same_shape(const argent_tensor_info& info, const argent_tensor& tensor) {
  if (tensor.rank != info.rank) return false;
  for (uint32_t i = 0; i < info.rank; ++i) {
    if (tensor.shape[i] != info.shape[i]) return false;
  }
  return true;
}

bool overlap(const argent_tensor& a, const argent_tensor& b) {
  const auto first = reinterpret_cast<uintptr_t>(a.data);
  const auto second = reinterpret_cast<uintptr_t>(b.data);
  return first < second + b.bytes && second < first + a.bytes;
}

int check_overlap(const argent_entry_info& entry, const argent_tensor* inputs,
                  const argent_tensor* outputs, char* message) {
  for (uint32_t o = 0; o < entry.output_count; ++o) {
    for (uint32_t i = 0; i < entry.input_count + o; ++i) {
      const bool is_input = i < entry.input_count;
      const uint32_t other = is_input ? i : i - entry.input_count;
      if (!overlap(outputs[o], is_input ? inputs[other] : outputs[other])) continue;
      return fail(message, ARGENT_BAD_ARGUMENT, "%s: the memory of output '%s' overlaps '%s'",
                  entry.name, entry.outputs[o]->name,
                  (is_input ? entry.inputs[other] : entry.outputs[other])->name);
    }
  }
  return ARGENT_OK;
}

int find_tensor(const argent_library& library, const char* name, uint32_t* index, char* message) {
  if (!name) return fail(message, ARGENT_BAD_ARGUMENT, "%s: the name is null", library.name);
  for (uint32_t i = 0; i < library.tensor_count; ++i) {
    if (strcmp(library.tensors[i].name, name) == 0) {
      *index = i;
      return ARGENT_OK;
    }
  }
  return fail(message, ARGENT_NOT_FOUND, "%s has no parameter or state named '%s'", library.name,
              name);
}

}  // namespace

const char* dtype_name(uint32_t dtype) { return dtype < kDTypeCount ? kDTypes[dtype].name : "?"; }

uint64_t dtype_bytes(uint32_t dtype) { return dtype < kDTypeCount ? kDTypes[dtype].bytes : 0; }

int check_tensor(const char* owner, const argent_tensor_info& info, const argent_tensor& tensor,
                 char* message) {
  if (!tensor.data && info.bytes != 0) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: the data of '%s' is null", owner, info.name);
  }
  if (!tensor.shape && tensor.rank != 0) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: the shape of '%s' is null", owner, info.name);
  }
  if (tensor.dtype != info.dtype) {
    return fail(message, ARGENT_BAD_DTYPE, "%s: '%s' is %s, but %s (%u) was given", owner,
                info.name, dtype_name(info.dtype), dtype_name(tensor.dtype), tensor.dtype);
  }
  if (!same_shape(info, tensor)) {
    return fail(message, ARGENT_BAD_SHAPE, "%s: '%s' has shape %s, but %s was given", owner,
                info.name, ShapeText(info.shape, info.rank).text,
                ShapeText(tensor.shape, tensor.rank).text);
  }
  if (tensor.bytes != info.bytes) {
    return fail(message, ARGENT_BAD_SIZE, "%s: '%s' takes %llu bytes, but %llu were given", owner,
                info.name, static_cast<unsigned long long>(info.bytes),
                static_cast<unsigned long long>(tensor.bytes));
  }
  if (reinterpret_cast<uintptr_t>(tensor.data) % dtype_bytes(info.dtype) != 0) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: the data of '%s' is not aligned to %llu bytes",
                owner, info.name, static_cast<unsigned long long>(dtype_bytes(info.dtype)));
  }
  return ARGENT_OK;
}

int check_stored(const argent_library& library, const char* name, const argent_tensor* tensor,
                 uint32_t* index, char* message) {
  const int code = find_tensor(library, name, index, message);
  if (code != ARGENT_OK) return code;
  if (tensor) return check_tensor(library.name, library.tensors[*index], *tensor, message);
  return fail(message, ARGENT_BAD_ARGUMENT, "%s: the tensor for '%s' is null", library.name, name);
}

int check_call(const argent_entry_info& entry, const argent_tensor* inputs, uint32_t input_count,
               const argent_tensor* outputs, uint32_t output_count, char* message) {
  if (input_count != entry.input_count || output_count != entry.output_count) {
    return fail(message, ARGENT_BAD_ARGUMENT,
                "%s takes %u inputs and %u outputs, but %u and %u were given", entry.name,
                entry.input_count, entry.output_count, input_count, output_count);
  }
  if ((!inputs && input_count) || (!outputs && output_count)) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: the list of %s is null", entry.name,
                !inputs && input_count ? "inputs" : "outputs");
  }
  for (uint32_t i = 0; i < input_count; ++i) {
    const int code = check_tensor(entry.name, *entry.inputs[i], inputs[i], message);
    if (code != ARGENT_OK) return code;
  }
  for (uint32_t i = 0; i < output_count; ++i) {
    const int code = check_tensor(entry.name, *entry.outputs[i], outputs[i], message);
    if (code != ARGENT_OK) return code;
  }
  return check_overlap(entry, inputs, outputs, message);
}

int check_threads(const argent_library& library, uint32_t threads, char* message) {
  if (threads >= 1 && threads <= ARGENT_MAX_THREADS) return ARGENT_OK;
  return fail(message, ARGENT_BAD_ARGUMENT, "%s: %u threads asked for; possible are 1 to %d",
              library.name, threads, ARGENT_MAX_THREADS);
}

int check_run(const argent_library& library, bool stale, uint32_t entry,
              const argent_tensor* inputs, uint32_t input_count, const argent_tensor* outputs,
              uint32_t output_count, char* message) {
  if (entry >= library.entry_count) {
    return fail(message, ARGENT_BAD_ARGUMENT, "%s: entry %u asked for, but it has %u", library.name,
                entry, library.entry_count);
  }
  const int code =
      check_call(library.entries[entry], inputs, input_count, outputs, output_count, message);
  if (code != ARGENT_OK || !stale) return code;
  return fail(message, ARGENT_STALE,
              "%s: parameters were set; call argent_prepare before the next run", library.name);
}

}  // namespace ag::rt
