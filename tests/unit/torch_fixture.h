// Writes files as torch.save does, opcode for opcode, so that the reader can be given any of them,
// broken ones too.
#pragma once

#include <string>
#include <vector>

#include "frontend/weights/zip_archive.h"
#include "ir/array.h"

namespace ag::test {

inline std::string bytes_of(const void* data, size_t size) {
  return {static_cast<const char*>(data), size};
}
template <class T>
std::string little(T value) {
  return bytes_of(&value, sizeof value);
}
inline std::vector<std::byte> to_bytes(const std::string& text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

inline std::string str(const std::string& text) {
  return "X" + little(static_cast<uint32_t>(text.size())) + text;
}
inline std::string integer(int64_t value) {
  if (value >= 0 && value < 256) return "K" + little(static_cast<uint8_t>(value));
  if (value >= INT32_MIN && value <= INT32_MAX) return "J" + little(static_cast<int32_t>(value));
  return "\x8a\x08" + little(value);
}
inline std::string tuple(const std::vector<int64_t>& values) {
  std::string text = "(";
  for (const int64_t value : values) text += integer(value);
  return text + "t";
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string empty_ordered_dict() { return global("collections", "OrderedDict") + ")R"; }

struct TorchTensor {
  std::string name;
  std::string storage_class = "FloatStorage";
  std::string key = "0";
  int64_t elements = 0;
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};

inline std::string tensor_pickle(const TorchTensor& t, bool legacy) {
  std::string storage = "(" + str("storage") + global("torch", t.storage_class) + str(t.key) +
                        str("cpu") + integer(t.elements) + (legacy ? "N" : "") + "tQ";
  return global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + integer(t.offset) +
         tuple(t.shape) + tuple(t.strides) + "\x89" + empty_ordered_dict() + "tR";
}

// {name: tensor, …} as an OrderedDict with the _metadata attribute that modules add.
inline std::string state_dict_pickle(const std::vector<TorchTensor>& tensors, bool legacy = false) {
  std::string text = empty_ordered_dict() + "(";
  for (const TorchTensor& t : tensors) text += str(t.name) + tensor_pickle(t, legacy);
  return text + "u}" + str("_metadata") + empty_ordered_dict() + "sb";
}

inline std::string finished(const std::string& body) { return "\x80\x02" + body + "."; }

struct TorchStorage {
  std::string key, content;
  int64_t elements;
};

inline std::vector<std::byte> torch_zip(const std::string& pickle_body,
                                        const std::vector<TorchStorage>& storages) {
  std::vector<std::pair<std::string, std::vector<std::byte>>> entries{
      {"archive/data.pkl", to_bytes(finished(pickle_body))},
      {"archive/byteorder", to_bytes("little")}};
  for (const TorchStorage& s : storages) {
    entries.emplace_back("archive/data/" + s.key, to_bytes(s.content));
  }
  entries.emplace_back("archive/version", to_bytes("3\n"));
  return zip_bytes(entries);
}

inline std::vector<std::byte> torch_legacy(const std::string& pickle_body,
                                           const std::vector<TorchStorage>& storages) {
  const std::string magic("\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19", 12);
  std::string text = finished(magic) + finished("M" + little<uint16_t>(1001)) +
                     finished("}" + str("little_endian") + "\x88s") + finished(pickle_body);
  std::string keys = "](";
  for (const TorchStorage& s : storages) keys += str(s.key);
  text += finished(keys + "e");
  for (const TorchStorage& s : storages) text += little(s.elements) + s.content;
  return to_bytes(text);
}

// A state dict of three tensors: w f32[2,3] dense, t f32[3,2] its transpose (same storage), n i64
// scalar.
inline std::vector<TorchTensor> small_tensors() {
  return {{"module.w", "FloatStorage", "0", 6, 0, {2, 3}, {3, 1}},
          {"module.t", "FloatStorage", "0", 6, 0, {3, 2}, {1, 3}},
          {"module.n", "LongStorage", "1", 1, 0, {}, {}}};
}
inline std::vector<TorchStorage> small_storages() {
  const float w[] = {1, 2, 3, 4, 5, 6};
  return {{"0", bytes_of(w, sizeof w), 6}, {"1", little<int64_t>(-7), 1}};
}

}  // namespace ag::test
