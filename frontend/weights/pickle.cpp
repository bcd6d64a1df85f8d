#include "frontend/weights/pickle.h"

#include <algorithm>
#include <array>
#include <bit>

namespace ag {
namespace {

constexpr size_t kMostValues = 4'000'000;
constexpr uint64_t kLongestText = 1 << 20;
constexpr std::string_view kKindNames[] = {"None", "bool", "int",    "float",   "str",    "tuple",
                                           "list", "dict", "global", "storage", "tensor", "bytes"};

}  // namespace

std::string_view name_of(PickleKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

PickleRef Pickle::add(PickleValue value) {
  if (values_.size() == kMostValues) fail("the pickle holds more than {} values", kMostValues);
  values_.push_back(std::move(value));
  return static_cast<PickleRef>(values_.size() - 1);
}

PickleRef Pickle::pop() {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor)
    fail("the pickle pops an empty stack at offset {}", reader_.position());
  const PickleRef ref = stack_.back();
  stack_.pop_back();
  return ref;
}

PickleValue& Pickle::top(PickleKind kind, std::string_view opcode) {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor || values_[stack_.back()].kind != kind) {
    fail("{} at offset {} finds no {} on the stack", opcode, reader_.position(), name_of(kind));
  }
  return values_[stack_.back()];
}

std::vector<PickleRef> Pickle::pop_to_mark() {
  if (marks_.empty()) fail("the pickle lacks a MARK before offset {}", reader_.position());
  const auto start = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
  std::vector<PickleRef> items(start, stack_.end());
  stack_.erase(start, stack_.end());
  marks_.pop_back();
  return items;
}

void Pickle::memoize(uint64_t slot) {
  const PickleRef ref = pop();
  stack_.push_back(ref);
  memo_[slot] = ref;
}

void Pickle::recall(uint64_t slot) {
  const auto found = memo_.find(slot);
  if (found == memo_.end()) fail("memo {} is used before it is set", slot);
  stack_.push_back(found->second);
}

void Pickle::name_global(std::string name) {
  if (std::ranges::find(rules_.callables, name, &PickleCallable::name) == rules_.callables.end()) {
    fail("the pickle names '{}', which weights have no use for; nothing was executed",
         name.substr(0, 120));
  }
  push({.kind = PickleKind::global, .text = std::move(name)});
}

void Pickle::call() {
  const PickleRef arguments = pop();
  const PickleValue& callable = at(pop());
  if (callable.kind != PickleKind::global || at(arguments).kind != PickleKind::tuple) {
    fail("REDUCE at offset {} calls a {}", reader_.position(), name_of(callable.kind));
  }
  const auto rule = std::ranges::find(rules_.callables, callable.text, &PickleCallable::name);
  if (!rule->call) fail("the pickle calls '{}', which may only be named", callable.text);
  push(rule->call(*this, at(arguments)));
}

const PickleValue& Pickle::item(const PickleValue& sequence, size_t index, PickleKind kind,
                                std::string_view role) const {
  if (index >= sequence.items.size()) fail("{} is missing", role);
  const PickleValue& value = at(sequence.items[index]);
  if (value.kind != kind) {
    fail("{} is a {}, expected a {}", role, name_of(value.kind), name_of(kind));
  }
  return value;
}

std::vector<int64_t> Pickle::integers(const PickleValue& tuple, std::string_view role) const {
  std::vector<int64_t> numbers;
  for (size_t i = 0; i < tuple.items.size(); ++i) {
    numbers.push_back(item(tuple, i, PickleKind::integer, role).integer);
  }
  return numbers;
}

// One function per opcode, found through a table by the opcode's byte.
struct PickleOpcodes {
  using Action = void (*)(Pickle&);
  struct Row {
    uint8_t byte;
    Action action;
  };

  static void container(Pickle& p, PickleKind kind, std::vector<PickleRef> items) {
    p.push({.kind = kind, .items = std::move(items)});
  }
  static void tuple(Pickle& p, size_t size) {
    std::vector<PickleRef> items(size);
    for (size_t i = size; i-- > 0;) items[i] = p.pop();
    container(p, PickleKind::tuple, std::move(items));
  }
  static void integer(Pickle& p, int64_t value) {
    p.push({.kind = PickleKind::integer, .integer = value});
  }
  static void boolean(Pickle& p, bool value) {
    p.push({.kind = PickleKind::boolean, .integer = value});
  }
  static void text(Pickle& p, PickleKind kind, uint64_t size) {
    if (size > kLongestText) {
      p.fail("a string claims {} bytes, the limit is {}", size, kLongestText);
    }
    p.push({.kind = kind, .text = std::string(p.reader_.text(size, "a string"))});
  }
  // Little-endian two's complement of any length; beyond 64 bits the digits are dropped.
  static void long_integer(Pickle& p, uint64_t size) {
    const auto digits = p.reader_.take(size, "an integer");
    if (size > 8) return p.push({.kind = PickleKind::opaque});
    uint64_t value = 0;
    std::memcpy(&value, digits.data(), size);
    const int unused = static_cast<int>(64 - 8 * size);
    integer(p, size == 0 ? 0 : static_cast<int64_t>(value << unused) >> unused);
  }
  static void real(Pickle& p) {
    auto bits = p.reader_.number<uint64_t>("a float");
    p.push({.kind = PickleKind::real, .real = std::bit_cast<double>(__builtin_bswap64(bits))});
  }
  static void append(Pickle& p, std::vector<PickleRef> items) {
    auto& list = p.top(PickleKind::list, "APPEND").items;
    list.insert(list.end(), items.begin(), items.end());
  }
  static void set_items(Pickle& p, std::vector<PickleRef> items) {
    if (items.size() % 2 != 0) p.fail("SETITEMS has a key without a value");
    auto& dict = p.top(PickleKind::dict, "SETITEMS").items;
    dict.insert(dict.end(), items.begin(), items.end());
  }
  static void set_item(Pickle& p) {
    const PickleRef value = p.pop(), key = p.pop();
    set_items(p, {key, value});
  }
  static void dict(Pickle& p) {
    std::vector<PickleRef> items = p.pop_to_mark();
    container(p, PickleKind::dict, {});
    set_items(p, std::move(items));
  }
  // State dicts carry attributes (_metadata); they hold no tensors.
  static void build(Pickle& p) {
    p.pop();
    p.top(PickleKind::dict, "BUILD");
  }
  static void stack_global(Pickle& p) {
    const PickleValue &name = p.at(p.pop()), &module = p.at(p.pop());
    if (name.kind != PickleKind::text || module.kind != PickleKind::text) {
      p.fail("STACK_GLOBAL at offset {} is given no strings", p.reader_.position());
    }
    p.name_global(module.text + " " + name.text);
  }
  static void global(Pickle& p) {
    const std::string module(p.reader_.line("a module's name"));
    p.name_global(module + " " + std::string(p.reader_.line("a global's name")));
  }
  static void persistent(Pickle& p) {
    const PickleValue& id = p.at(p.pop());
    p.push(p.rules_.persistent(p, id));
  }
  static void protocol(Pickle& p) {
    const auto version = p.reader_.number<uint8_t>("the protocol");
    if (version > 5) p.fail("pickle protocol {} is not known", version);
  }
  static void pop(Pickle& p) {
    const bool at_mark = !p.marks_.empty() && p.marks_.back() == p.stack_.size();
    at_mark ? p.marks_.pop_back() : static_cast<void>(p.pop());
  }
  static void stop(Pickle& p) {
    if (!p.marks_.empty()) p.fail("the pickle stops with an open MARK");
    p.root_ = p.pop();
    p.stopped_ = true;
  }

  template <class T>
  static T number(Pickle& p) {
    return p.reader_.number<T>("an opcode's argument");
  }

  static constexpr Row kRows[] = {
      {0x80, protocol},
      {0x95, [](Pickle& p) { number<uint64_t>(p); }},  // FRAME: a hint for readers of streams
      {'.', stop},
      {'(', [](Pickle& p) { p.marks_.push_back(p.stack_.size()); }},
      {'0', pop},
      {'1', [](Pickle& p) { p.pop_to_mark(); }},
      {'N', [](Pickle& p) { p.push({}); }},
      {0x88, [](Pickle& p) { boolean(p, true); }},
      {0x89, [](Pickle& p) { boolean(p, false); }},
      {'J', [](Pickle& p) { integer(p, number<int32_t>(p)); }},
      {'K', [](Pickle& p) { integer(p, number<uint8_t>(p)); }},
      {'M', [](Pickle& p) { integer(p, number<uint16_t>(p)); }},
      {0x8a, [](Pickle& p) { long_integer(p, number<uint8_t>(p)); }},
      {0x8b, [](Pickle& p) { long_integer(p, number<uint32_t>(p)); }},
      {'G', real},
      {'X', [](Pickle& p) { text(p, PickleKind::text, number<uint32_t>(p)); }},
      {0x8c, [](Pickle& p) { text(p, PickleKind::text, number<uint8_t>(p)); }},
      {0x8d, [](Pickle& p) { text(p, PickleKind::text, number<uint64_t>(p)); }},
      {'T', [](Pickle& p) { text(p, PickleKind::text, number<uint32_t>(p)); }},  // Python 2 strings
      {'U', [](Pickle& p) { text(p, PickleKind::text, number<uint8_t>(p)); }},
      {'B', [](Pickle& p) { text(p, PickleKind::opaque, number<uint32_t>(p)); }},
      {'C', [](Pickle& p) { text(p, PickleKind::opaque, number<uint8_t>(p)); }},
      {'}', [](Pickle& p) { container(p, PickleKind::dict, {}); }},
      {']', [](Pickle& p) { container(p, PickleKind::list, {}); }},
      {')', [](Pickle& p) { tuple(p, 0); }},
      {0x85, [](Pickle& p) { tuple(p, 1); }},
      {0x86, [](Pickle& p) { tuple(p, 2); }},
      {0x87, [](Pickle& p) { tuple(p, 3); }},
      {'t', [](Pickle& p) { container(p, PickleKind::tuple, p.pop_to_mark()); }},
      {'l', [](Pickle& p) { container(p, PickleKind::list, p.pop_to_mark()); }},
      {'d', dict},
      {'a', [](Pickle& p) { append(p, {p.pop()}); }},
      {'e', [](Pickle& p) { append(p, p.pop_to_mark()); }},
      {'s', set_item},
      {'u', [](Pickle& p) { set_items(p, p.pop_to_mark()); }},
      {'b', build},
      {'c', global},
      {0x93, stack_global},
      {'R', [](Pickle& p) { p.call(); }},
      {'Q', persistent},
      {'q', [](Pickle& p) { p.memoize(number<uint8_t>(p)); }},
      {'r', [](Pickle& p) { p.memoize(number<uint32_t>(p)); }},
      {0x94, [](Pickle& p) { p.memoize(p.memo_.size()); }},
      {'h', [](Pickle& p) { p.recall(number<uint8_t>(p)); }},
      {'j', [](Pickle& p) { p.recall(number<uint32_t>(p)); }},
  };

  static Action find(uint8_t byte) {
    static const auto actions = [] {
      std::array<Action, 256> table{};
      for (const Row& row : kRows) table[row.byte] = row.action;
      return table;
    }();
    return actions[byte];
  }
};

Pickle::Pickle(ByteReader& reader, const PickleRules& rules) : reader_(reader), rules_(rules) {
  while (!stopped_) {
    const auto byte = reader_.number<uint8_t>("the next opcode");
    const PickleOpcodes::Action action = PickleOpcodes::find(byte);
    if (!action) {
      fail("pickle opcode {:#04x} at offset {} is not one that weights need; nothing was executed",
           byte, reader_.position() - 1);
    }
    action(*this);
  }
}

}  // namespace ag
