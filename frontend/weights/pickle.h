// A reader for the part of Python's pickle format that state dicts use. It runs no code: a pickle
// may only build numbers, strings, tuples, lists and dicts, and name the callables it is given; any
// other global is refused by name.
// https://github.com/python/cpython/blob/main/Lib/pickletools.py
#pragma once

#include <fmt/format.h>

#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "frontend/weights/byte_reader.h"

namespace ag {

// A value by its index in the pickle's pool: values may be shared and may contain themselves.
using PickleRef = uint32_t;

enum class PickleKind : uint8_t {
  none,
  boolean,
  integer,
  real,
  text,
  tuple,
  list,
  dict,
  global,   // text: "module name"
  storage,  // items: storage class, key; integer: number of elements
  tensor,   // items: storage, offset, shape, strides
  opaque,   // a number too large for 64 bits, or bytes
};
std::string_view name_of(PickleKind kind);

struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;  // booleans too
  double real = 0;
  std::string text;
  std::vector<PickleRef> items;  // of a dict: key, value, key, value …
};

class Pickle;

// A global that a pickle may name. `call` makes the value of a call from its argument tuple; null
// for a class that is only named.
struct PickleCallable {
  std::string_view name;  // "collections OrderedDict"
  PickleValue (*call)(const Pickle& pickle, const PickleValue& arguments);
};

// What may be named, and what a persistent id stands for.
struct PickleRules {
  std::span<const PickleCallable> callables;
  PickleValue (*persistent)(const Pickle& pickle, const PickleValue& id);
};

class Pickle {
 public:
  // Reads one pickle, up to and with its STOP, from `reader`. Throws CompileError.
  Pickle(ByteReader& reader, const PickleRules& rules);

  const PickleValue& root() const { return at(root_); }
  const std::deque<PickleValue>& values() const { return values_; }
  const PickleValue& at(PickleRef ref) const { return values_[ref]; }
  // Item `index` of a tuple or list, which must have the given kind; `role` names it in the error.
  const PickleValue& item(const PickleValue& sequence, size_t index, PickleKind kind,
                          std::string_view role) const;
  // A tuple of integers.
  std::vector<int64_t> integers(const PickleValue& tuple, std::string_view role) const;

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    reader_.fail(format, std::forward<Args>(args)...);
  }

 private:
  friend struct PickleOpcodes;

  PickleRef add(PickleValue value);
  void push(PickleValue value) { stack_.push_back(add(std::move(value))); }
  PickleRef pop();
  PickleValue& top(PickleKind kind, std::string_view opcode);
  std::vector<PickleRef> pop_to_mark();
  void memoize(uint64_t slot);
  void recall(uint64_t slot);
  void name_global(std::string name);
  void call();

  ByteReader& reader_;
  const PickleRules& rules_;
  std::deque<PickleValue> values_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // stack heights
  std::map<uint64_t, PickleRef> memo_;
  PickleRef root_ = 0;
  bool stopped_ = false;
};

}  // namespace ag
