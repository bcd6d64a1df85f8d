#include "runtime/program/npy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/instance.h"

namespace ag::rt {
namespace {

// By argent_dtype. NumPy has no bf16: its elements travel as raw two-byte fields.
constexpr const char* kDescriptions[] = {"<f8", "<f4", "<f2", "|V2", "<i8", "<i4", "<i2",
                                         "|i1", "<u8", "<u4", "<u2", "|u1", "|b1"};
constexpr uint32_t kDTypeCount = sizeof kDescriptions / sizeof kDescriptions[0];
constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicBytes = 6, kAlignment = 64;

struct File {
  explicit File(int descriptor) : descriptor(descriptor) {}
  ~File() {
    if (descriptor >= 0) close(descriptor);
  }
  int descriptor;
};

bool complain(char* message, const char* path, const char* what) {
  snprintf(message, ARGENT_MESSAGE_BYTES, "%s: %s", path, what);
  return false;
}

bool read_all(int descriptor, void* data, uint64_t bytes) {
  auto* to = static_cast<uint8_t*>(data);
  while (bytes > 0) {
    const ssize_t got = read(descriptor, to, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<uint64_t>(got);
  }
  return true;
}

bool write_all(int descriptor, const void* data, uint64_t bytes) {
  auto* from = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const ssize_t put = write(descriptor, from, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from += put;
    bytes -= static_cast<uint64_t>(put);
  }
  return true;
}

// What follows `key` in the header's dictionary; null when it is not there.
const char* value_of(const char* header, const char* key) {
  const char* found = strstr(header, key);
  if (!found) return nullptr;
  found += strlen(key);
  while (*found == ' ' || *found == ':') ++found;
  return found;
}

bool parse_dtype(const char* text, uint32_t* dtype) {
  if (!text || (*text != '\'' && *text != '"')) return false;
  for (uint32_t i = 0; i < kDTypeCount; ++i) {
    if (strncmp(text + 1, kDescriptions[i], 3) == 0 && text[4] == *text) {
      *dtype = i;
      return true;
    }
  }
  return false;
}

bool parse_shape(const char* text, NpyTensor* result) {
  if (!text || *text != '(') return false;
  uint32_t rank = 0;
  uint64_t bytes = dtype_bytes(result->tensor.dtype);
  for (++text; *text != ')';) {
    char* end;
    errno = 0;
    const long long extent = strtoll(text, &end, 10);
    if (end == text || errno != 0 || extent < 0 || rank == kMaxRank) return false;
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(extent), &bytes)) return false;
    result->shape[rank++] = extent;
    text = end;
    while (*text == ' ' || *text == ',') ++text;
  }
  result->tensor.rank = rank;
  result->tensor.bytes = bytes;
  return true;
}

bool parse_header(const char* header, const char* path, NpyTensor* result, char* message) {
  const char* order = value_of(header, "'fortran_order'");
  if (!parse_dtype(value_of(header, "'descr'"), &result->tensor.dtype)) {
    return complain(message, path, "element type that is not supported, or not little-endian");
  }
  if (!order || strncmp(order, "False", 5) != 0) {
    return complain(message, path, "not in C order (numpy.ascontiguousarray makes it so)");
  }
  if (!parse_shape(value_of(header, "'shape'"), result)) {
    return complain(message, path, "broken shape in the header");
  }
  return true;
}

// Reads magic, version and header text into `header`; false when it is no .npy file.
bool read_header(int descriptor, char* header, size_t room) {
  uint8_t start[kMagicBytes + 2], length[4] = {};
  if (!read_all(descriptor, start, sizeof start) || memcmp(start, kMagic, kMagicBytes) != 0) {
    return false;
  }
  const uint8_t version = start[kMagicBytes];
  if (version < 1 || version > 3 || !read_all(descriptor, length, version == 1 ? 2 : 4)) {
    return false;
  }
  const uint64_t bytes = length[0] | length[1] << 8 | length[2] << 16 | uint64_t{length[3]} << 24;
  if (bytes >= room || !read_all(descriptor, header, bytes)) return false;
  header[bytes] = 0;
  return true;
}

}  // namespace

bool read_npy(const char* path, NpyTensor* result, char* message) {
  memset(result, 0, sizeof *result);
  File file(open(path, O_RDONLY | O_CLOEXEC));
  if (file.descriptor < 0) return complain(message, path, "cannot be opened");
  char header[4096];
  if (!read_header(file.descriptor, header, sizeof header)) {
    return complain(message, path, "not a .npy file");
  }
  if (!parse_header(header, path, result, message)) return false;
  const off_t here = lseek(file.descriptor, 0, SEEK_CUR), end = lseek(file.descriptor, 0, SEEK_END);
  if (here < 0 || end < here || static_cast<uint64_t>(end - here) != result->tensor.bytes) {
    return complain(message, path, "the file's size does not fit its shape");
  }
  lseek(file.descriptor, here, SEEK_SET);
  void* data = nullptr;
  if (posix_memalign(&data, kAlignment, result->tensor.bytes + kAlignment) != 0) {
    return complain(message, path, "no memory for its elements");
  }
  result->tensor.data = data;
  result->tensor.shape = result->shape;
  if (read_all(file.descriptor, data, result->tensor.bytes)) return true;
  free_npy(result);
  return complain(message, path, "cannot be read");
}

bool write_npy(const char* path, const argent_tensor& tensor, char* message) {
  char header[1024], aside[4096];
  int used =
      snprintf(header + 10, sizeof header - 10,
               "{'descr': '%s', 'fortran_order': False, 'shape': (", kDescriptions[tensor.dtype]) +
      10;
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    used += snprintf(header + used, sizeof header - static_cast<size_t>(used), "%lld,%s",
                     static_cast<long long>(tensor.shape[i]), i + 1 < tensor.rank ? " " : "");
  }
  used += snprintf(header + used, sizeof header - static_cast<size_t>(used), "), }");
  while ((used + 1) % static_cast<int>(kAlignment) != 0) header[used++] = ' ';
  header[used++] = '\n';
  memcpy(header, kMagic, kMagicBytes);
  header[6] = 1;
  header[7] = 0;
  header[8] = static_cast<char>((used - 10) & 0xff);
  header[9] = static_cast<char>((used - 10) >> 8);
  if (snprintf(aside, sizeof aside, "%s.%d", path, getpid()) >= static_cast<int>(sizeof aside)) {
    return complain(message, path, "the name is too long");
  }
  bool written;
  {
    File file(open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.descriptor < 0) return complain(message, path, "cannot be written");
    written = write_all(file.descriptor, header, static_cast<uint64_t>(used)) &&
              write_all(file.descriptor, tensor.data, tensor.bytes);
  }
  if (written && rename(aside, path) == 0) return true;
  unlink(aside);
  return complain(message, path, "cannot be written");
}

void free_npy(NpyTensor* tensor) {
  free(tensor->tensor.data);
  tensor->tensor.data = nullptr;
}

}  // namespace ag::rt
