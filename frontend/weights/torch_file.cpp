#include "frontend/weights/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "frontend/weights/pickle.h"
#include "frontend/weights/zip_archive.h"

namespace ag {
namespace {

struct StorageClass {
  std::string_view name;
  DType dtype;
};
constexpr StorageClass kStorageClasses[] = {
    {"torch DoubleStorage", DType::f64}, {"torch FloatStorage", DType::f32},
    {"torch HalfStorage", DType::f16},   {"torch BFloat16Storage", DType::bf16},
    {"torch LongStorage", DType::i64},   {"torch IntStorage", DType::i32},
    {"torch ShortStorage", DType::i16},  {"torch CharStorage", DType::i8},
    {"torch ByteStorage", DType::u8},    {"torch BoolStorage", DType::boolean},
};

PickleValue make_dict(const Pickle& pickle, const PickleValue& arguments) {
  if (!arguments.items.empty()) pickle.fail("OrderedDict is called with arguments");
  return {.kind = PickleKind::dict};
}

// (storage, offset, shape, strides, …): what follows is about gradients and hooks.
PickleValue make_tensor(const Pickle& pickle, const PickleValue& arguments) {
  pickle.item(arguments, 0, PickleKind::storage, "a tensor's storage");
  pickle.item(arguments, 1, PickleKind::integer, "a tensor's offset");
  pickle.item(arguments, 2, PickleKind::tuple, "a tensor's shape");
  pickle.item(arguments, 3, PickleKind::tuple, "a tensor's strides");
  const auto first = arguments.items.begin();
  return {.kind = PickleKind::tensor, .items = {first, first + 4}};
}

// (tensor, requires_grad, hooks)
PickleValue make_parameter(const Pickle& pickle, const PickleValue& arguments) {
  return pickle.item(arguments, 0, PickleKind::tensor, "a parameter's tensor");
}

constexpr PickleCallable kCallables[] = {
    {"collections OrderedDict", make_dict},
    {"torch._utils _rebuild_tensor", make_tensor},
    {"torch._utils _rebuild_tensor_v2", make_tensor},
    {"torch._utils _rebuild_parameter", make_parameter},
    {"torch DoubleStorage", nullptr},
    {"torch FloatStorage", nullptr},
    {"torch HalfStorage", nullptr},
    {"torch BFloat16Storage", nullptr},
    {"torch LongStorage", nullptr},
    {"torch IntStorage", nullptr},
    {"torch ShortStorage", nullptr},
    {"torch CharStorage", nullptr},
    {"torch ByteStorage", nullptr},
    {"torch BoolStorage", nullptr},
};

// ("storage", class, key, device, elements[, view]): legacy files add a view, None in all that
// matter.
PickleValue make_storage(const Pickle& pickle, const PickleValue& id) {
  if (id.kind != PickleKind::tuple ||
      pickle.item(id, 0, PickleKind::text, "a persistent id's tag").text != "storage") {
    pickle.fail("a persistent id does not name a storage");
  }
  pickle.item(id, 1, PickleKind::global, "a storage's class");
  pickle.item(id, 2, PickleKind::text, "a storage's key");
  if (id.items.size() > 5) pickle.item(id, 5, PickleKind::none, "a storage's view");
  return {.kind = PickleKind::storage,
          .integer = pickle.item(id, 4, PickleKind::integer, "a storage's size").integer,
          .items = {id.items[1], id.items[2]}};
}

constexpr PickleRules kRules{kCallables, make_storage};

DType dtype_of(const Pickle& pickle, const PickleValue& storage) {
  const std::string& name = pickle.at(storage.items[0]).text;
  const auto row = std::ranges::find(kStorageClasses, name, &StorageClass::name);
  if (row == std::end(kStorageClasses)) pickle.fail("'{}' is no storage class", name);
  return row->dtype;
}

const std::string& key_of(const Pickle& pickle, const PickleValue& storage) {
  return pickle.at(storage.items[1]).text;
}

// The bytes of a storage by its key; they live as long as the file is being read.
using FindStorage = std::function<std::span<const std::byte>(const std::string& key)>;

// Walks the pickle's dicts and copies each tensor out of its storage.
class TensorCollector {
 public:
  TensorCollector(const Pickle& pickle, FindStorage find, std::string what, uint64_t allowed)
      : pickle_(pickle), find_(std::move(find)), what_(std::move(what)), allowed_(allowed) {}

  WeightMap collect() {
    const PickleValue& root = pickle_.root();
    if (root.kind == PickleKind::tensor) {
      add("tensor", root);
    } else if (root.kind == PickleKind::dict) {
      walk(select(root), "", 0);
    } else {
      pickle_.fail("it holds a {}, expected a dict of tensors", name_of(root.kind));
    }
    return std::move(weights_);
  }

 private:
  static constexpr int kDeepest = 16;
  static constexpr size_t kMostVisits = 1'000'000;

  // A checkpoint's own entry for its model.
  const PickleValue& select(const PickleValue& root) const {
    for (const std::string_view key : {"state_dict", "model_state_dict", "model"}) {
      for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
        const PickleValue& value = pickle_.at(root.items[i + 1]);
        if (pickle_.at(root.items[i]).text == key && value.kind == PickleKind::dict) return value;
      }
    }
    return root;
  }

  void walk(const PickleValue& dict, const std::string& prefix, int depth) {
    if (depth > kDeepest) pickle_.fail("dicts nest deeper than {}", kDeepest);
    for (size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      if (++visits_ > kMostVisits) pickle_.fail("it holds more than {} entries", kMostVisits);
      const PickleValue &key = pickle_.at(dict.items[i]), &value = pickle_.at(dict.items[i + 1]);
      const std::string name =
          prefix + (key.kind == PickleKind::integer ? std::to_string(key.integer) : key.text);
      if (value.kind == PickleKind::dict) walk(value, name + ".", depth + 1);
      if (value.kind == PickleKind::tensor) add(name, value);
    }
  }

  void add(const std::string& name, const PickleValue& tensor) {
    const PickleValue& storage = pickle_.at(tensor.items[0]);
    const std::string what = fmt::format("{}: tensor '{}'", what_, name);
    const DType dtype = dtype_of(pickle_, storage);
    const Shape shape = pickle_.integers(pickle_.at(tensor.items[2]), "an extent");
    const Shape strides = pickle_.integers(pickle_.at(tensor.items[3]), "a stride");
    total_ += checked_tensor_bytes(shape, dtype, what);
    if (total_ > allowed_) {
      throw CompileError(
          fmt::format("{}: with it the tensors take {} bytes, more than the {} "
                      "allowed for a file of this size",
                      what, total_, allowed_));
    }
    Array array = gather_strided(dtype, shape, strides, pickle_.at(tensor.items[1]).integer,
                                 find_(key_of(pickle_, storage)), what);
    if (!weights_.emplace(name, std::move(array)).second) {
      throw CompileError(fmt::format("{}: it appears twice", what));
    }
  }

  const Pickle& pickle_;
  FindStorage find_;
  std::string what_;
  uint64_t allowed_, total_ = 0;
  size_t visits_ = 0;
  WeightMap weights_;
};

constexpr std::string_view kPickleEntry = "data.pkl";

// "archive/", the folder that holds data.pkl.
std::string root_folder(const ZipArchive& archive, const std::string& what) {
  for (const ZipArchive::Entry& entry : archive.entries()) {
    if (entry.name.ends_with(std::string("/") + std::string(kPickleEntry))) {
      return entry.name.substr(0, entry.name.size() - kPickleEntry.size());
    }
  }
  throw CompileError(fmt::format("{}: no entry is named {}", what, kPickleEntry));
}

void check_byte_order(const ZipArchive& archive, const std::string& folder,
                      const std::string& what) {
  const ZipArchive::Entry* entry = archive.find(folder + "byteorder");
  if (!entry) return;
  const auto bytes = archive.read(*entry);
  const std::string_view order(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (order != "little") {
    throw CompileError(fmt::format("{}: byte order '{}' is not little", what, order.substr(0, 20)));
  }
}

// torch.save's magic number, 0x1950a86a20f9469cfc6c, as a pickle of its own.
constexpr std::string_view kLegacyMagic("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15);
constexpr int64_t kLegacyProtocol = 1001;

// Each storage that the pickle names, with its element type.
std::map<std::string, DType> storage_types(const Pickle& pickle) {
  std::map<std::string, DType> types;
  for (const PickleValue& value : pickle.values()) {
    if (value.kind == PickleKind::storage) types[key_of(pickle, value)] = dtype_of(pickle, value);
  }
  return types;
}

void check_legacy_system(const Pickle& system) {
  const auto& items = system.root().items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (system.at(items[i]).text == "little_endian" && system.at(items[i + 1]).integer == 0) {
      system.fail("its byte order is big-endian");
    }
  }
}

using StorageBytes = std::map<std::string, std::span<const std::byte>>;

// Behind the pickles: for each key in turn the number of elements (i64), then the elements.
StorageBytes read_legacy_storages(ByteReader& reader, const Pickle& keys,
                                  const std::map<std::string, DType>& types) {
  StorageBytes storages;
  for (size_t i = 0; i < keys.root().items.size(); ++i) {
    const auto& key = keys.item(keys.root(), i, PickleKind::text, "a storage's key").text;
    const auto type = types.find(key);
    if (type == types.end()) reader.fail("storage '{}' belongs to no tensor", key);
    const auto count = reader.number<int64_t>("a storage's size");
    const std::string what = fmt::format("{}: storage '{}'", reader.what(), key);
    storages[key] = reader.take(checked_tensor_bytes({count}, type->second, what), "a storage");
  }
  return storages;
}

}  // namespace

WeightMap parse_torch_zip(const ZipArchive& archive, const std::string& name, uint64_t allowed) {
  const std::string what = name + ": not a valid PyTorch file";
  const std::string folder = root_folder(archive, what);
  check_byte_order(archive, folder, what);
  const auto bytes = archive.read(*archive.find(folder + std::string(kPickleEntry)));
  ByteReader reader(bytes, what);
  const Pickle pickle(reader, kRules);
  std::map<std::string, std::vector<std::byte>> storages;
  const auto find = [&](const std::string& key) -> std::span<const std::byte> {
    const auto known = storages.find(key);
    if (known != storages.end()) return known->second;
    const ZipArchive::Entry* entry = archive.find(folder + "data/" + key);
    if (!entry) reader.fail("storage '{}' is missing", key);
    return storages[key] = archive.read(*entry);
  };
  return TensorCollector(pickle, find, what, allowed).collect();
}

WeightMap parse_torch_zip(std::span<const std::byte> bytes, const std::string& name,
                          ExpansionLimit limit) {
  return parse_torch_zip(ZipArchive(bytes, name, limit), name, limit.allowed(bytes.size()));
}

bool is_torch_legacy(std::span<const std::byte> bytes) {
  return bytes.size() >= kLegacyMagic.size() &&
         std::memcmp(bytes.data(), kLegacyMagic.data(), kLegacyMagic.size()) == 0;
}

WeightMap parse_torch_legacy(std::span<const std::byte> bytes, const std::string& name,
                             ExpansionLimit limit) {
  ByteReader reader(bytes, name + ": not a valid PyTorch file");
  if (reader.text(kLegacyMagic.size(), "the magic") != kLegacyMagic) {
    reader.fail("the magic is missing");
  }
  const Pickle protocol(reader, kRules);
  if (protocol.root().integer != kLegacyProtocol) reader.fail("it is not of protocol 1001");
  check_legacy_system(Pickle(reader, kRules));
  const Pickle pickle(reader, kRules);
  const Pickle keys(reader, kRules);
  const StorageBytes storages = read_legacy_storages(reader, keys, storage_types(pickle));
  const auto find = [&](const std::string& key) {
    const auto found = storages.find(key);
    if (found == storages.end()) reader.fail("storage '{}' is missing", key);
    return found->second;
  };
  return TensorCollector(pickle, find, reader.what(), limit.allowed(bytes.size())).collect();
}

}  // namespace ag
