#include "frontend/weights/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "frontend/weights/byte_reader.h"
#include "frontend/weights/strided.h"
#include "ir/file.h"

namespace ag {
namespace {

using nlohmann::json;

constexpr uint64_t kLongestHeader = 100'000'000;  // the reference implementation's limit
constexpr int kDeepestHeader = 3;                 // file, tensor, its shape
constexpr size_t kAlignment = 8;
constexpr std::string_view kMetadata = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr TypeName kTypeNames[] = {
    {"F64", DType::f64},      {"F32", DType::f32}, {"F16", DType::f16}, {"BF16", DType::bf16},
    {"I64", DType::i64},      {"I32", DType::i32}, {"I16", DType::i16}, {"I8", DType::i8},
    {"U64", DType::u64},      {"U32", DType::u32}, {"U16", DType::u16}, {"U8", DType::u8},
    {"BOOL", DType::boolean},
};

struct Extent {
  uint64_t begin, end;
  std::string name;
};

// The header's JSON, refusing depth and repeated names while it is read.
json parse_header(std::string_view text, const ByteReader& reader) {
  std::set<std::string> names;
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kDeepestHeader) reader.fail("the header nests deeper than {}", kDeepestHeader);
    if (event == json::parse_event_t::key && depth == 1 &&
        !names.insert(value.get<std::string>()).second) {
      reader.fail("'{}' appears twice", value.get<std::string>());
    }
    return true;
  };
  try {
    json header = json::parse(text.begin(), text.end(), check);
    if (!header.is_object()) reader.fail("the header is not a JSON object");
    return header;
  } catch (const json::exception& error) {
    reader.fail("the header is not JSON: {}", error.what());
  }
}

uint64_t unsigned_number(const json& value, const std::string& what) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX) {
    throw CompileError(fmt::format("{}: {} is not a size", what, value.dump().substr(0, 40)));
  }
  return value.get<uint64_t>();
}

const json& member(const json& entry, const char* key, json::value_t type,
                   const std::string& what) {
  const auto found = entry.is_object() ? entry.find(key) : entry.end();
  if (found == entry.end() || found->type() != type) {
    throw CompileError(fmt::format("{}: '{}' is missing or of another type", what, key));
  }
  return *found;
}

DType dtype_of(const json& entry, const std::string& what) {
  const auto& name =
      member(entry, "dtype", json::value_t::string, what).get_ref<const std::string&>();
  const auto row = std::ranges::find(kTypeNames, name, &TypeName::name);
  if (row == std::end(kTypeNames)) {
    throw CompileError(fmt::format("{}: element type '{}' is not supported", what, name));
  }
  return row->dtype;
}

Shape shape_of(const json& entry, const std::string& what) {
  Shape shape;
  for (const json& extent : member(entry, "shape", json::value_t::array, what)) {
    shape.push_back(static_cast<int64_t>(unsigned_number(extent, what)));
  }
  return shape;
}

Extent extent_of(const json& entry, const std::string& name, uint64_t available,
                 const std::string& what) {
  const json& offsets = member(entry, "data_offsets", json::value_t::array, what);
  if (offsets.size() != 2) {
    throw CompileError(fmt::format("{}: data_offsets has {} numbers, not 2", what, offsets.size()));
  }
  const uint64_t begin = unsigned_number(offsets[0], what), end = unsigned_number(offsets[1], what);
  if (begin > end || end > available) {
    throw CompileError(fmt::format("{}: data_offsets [{},{}] leave the {} bytes of data", what,
                                   begin, end, available));
  }
  return {begin, end, name};
}

void read_metadata(const json& entry, Safetensors& file, const ByteReader& reader) {
  if (!entry.is_object()) reader.fail("{} is not an object", kMetadata);
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) reader.fail("{} '{}' is not a string", kMetadata, key);
    file.metadata[key] = value.get<std::string>();
  }
}

// Tensors must follow each other without overlap or hole and fill the file.
void check_extents(std::vector<Extent> extents, uint64_t available, const ByteReader& reader) {
  std::ranges::sort(extents, {}, [](const Extent& e) { return std::pair(e.begin, e.end); });
  uint64_t end = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != end) {
      reader.fail("'{}' starts at byte {} of the data, but the tensor before it ends at {}",
                  extent.name, extent.begin, end);
    }
    end = extent.end;
  }
  if (end != available) reader.fail("{} bytes of data belong to no tensor", available - end);
}

std::string_view type_name(DType dtype) {
  return std::ranges::find(kTypeNames, dtype, &TypeName::dtype)->name;
}

std::vector<const WeightMap::value_type*> storage_order(const WeightMap& tensors) {
  std::vector<const WeightMap::value_type*> order;
  for (const auto& entry : tensors) order.push_back(&entry);
  std::ranges::stable_sort(order, std::greater(),
                           [](const auto* entry) { return size_of(entry->second.dtype()); });
  return order;
}

std::string header_text(const WeightMap& tensors,
                        const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[std::string(kMetadata)] = metadata;
  uint64_t offset = 0;
  for (const auto* entry : storage_order(tensors)) {
    const auto& [name, array] = *entry;
    const uint64_t end = offset + array.size_bytes();
    header[name] = {{"dtype", type_name(array.dtype())},
                    {"shape", array.shape()},
                    {"data_offsets", {offset, end}}};
    offset = end;
  }
  try {
    return header.dump();
  } catch (const json::exception& error) {  // names that are not UTF-8
    throw CompileError(fmt::format("cannot write safetensors: {}", error.what()));
  }
}

}  // namespace

Safetensors parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name + ": not a valid safetensors file");
  const auto length = reader.number<uint64_t>("the header's length");
  if (length > kLongestHeader) {
    reader.fail("the header claims {} bytes, the limit is {}", length, kLongestHeader);
  }
  const json header = parse_header(reader.text(length, "the header"), reader);
  const auto data = reader.take(reader.remaining(), "the data");
  Safetensors file;
  std::vector<Extent> extents;
  for (const auto& [key, entry] : header.items()) {
    if (key == kMetadata) {
      read_metadata(entry, file, reader);
      continue;
    }
    const std::string what = fmt::format("{}: tensor '{}'", reader.what(), key);
    extents.push_back(extent_of(entry, key, data.size(), what));
    const auto piece =
        data.subspan(extents.back().begin, extents.back().end - extents.back().begin);
    file.tensors[key] = dense_array(dtype_of(entry, what), shape_of(entry, what), piece, what);
  }
  check_extents(std::move(extents), data.size(), reader);
  return file;
}

Safetensors read_safetensors(const std::string& path) {
  return parse_safetensors(read_file(path), path);
}

std::vector<std::byte> safetensors_bytes(const WeightMap& tensors,
                                         const std::map<std::string, std::string>& metadata) {
  std::string header = header_text(tensors, metadata);
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const uint64_t length = header.size();
  std::vector<std::byte> bytes;
  const auto append = [&](const void* data, size_t size) {
    const auto* start = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), start, start + size);
  };
  append(&length, sizeof length);
  append(header.data(), header.size());
  for (const auto* entry : storage_order(tensors)) {
    append(entry->second.data(), entry->second.size_bytes());
  }
  return bytes;
}

void write_safetensors(const std::string& path, const WeightMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_file(path, safetensors_bytes(tensors, metadata));
}

}  // namespace ag
