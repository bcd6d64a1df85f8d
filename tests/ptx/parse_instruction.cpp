// One PTX instruction: `@%p1 ld.global.nc.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1+16];`
#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <optional>
#include <utility>

#include "tests/ptx/opcode.h"
#include "tests/ptx/parser.h"

namespace ag::ptx {
namespace {

struct TypeName {
  std::string_view name;
  Type type;
  int bits;
};

constexpr TypeName kTypes[] = {
    {"pred", Type::pred, 1},    {"b8", Type::b8, 8},          {"b16", Type::b16, 16},
    {"b32", Type::b32, 32},     {"b64", Type::b64, 64},       {"u8", Type::u8, 8},
    {"u16", Type::u16, 16},     {"u32", Type::u32, 32},       {"u64", Type::u64, 64},
    {"s8", Type::s8, 8},        {"s16", Type::s16, 16},       {"s32", Type::s32, 32},
    {"s64", Type::s64, 64},     {"f16", Type::f16, 16},       {"bf16", Type::bf16, 16},
    {"f16x2", Type::f16x2, 32}, {"bf16x2", Type::bf16x2, 32}, {"f32", Type::f32, 32},
    {"f64", Type::f64, 64},
};

constexpr std::string_view kSpecials[] = {
    "%tid.x",       "%tid.y",       "%tid.z",       "%ntid.x",     "%ntid.y",
    "%ntid.z",      "%ctaid.x",     "%ctaid.y",     "%ctaid.z",    "%nctaid.x",
    "%nctaid.y",    "%nctaid.z",    "%laneid",      "%warpid",     "%lanemask_eq",
    "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge"};

template <class Names>
std::optional<size_t> place_of(const Names& names, std::string_view name) {
  for (size_t i = 0; i < std::size(names); ++i) {
    if (names[i] == name) return i;
  }
  return std::nullopt;
}

bool listed(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    const size_t end = words.find(' ');
    if (words.substr(0, end) == word) return true;
    if (end == std::string_view::npos) return false;
    words.remove_prefix(end + 1);
  }
  return false;
}

Space space_named(std::string_view name) {
  if (name == "global" || name == "const") return Space::global;
  if (name == "shared") return Space::shared;
  if (name == "local") return Space::local;
  return name == "param" ? Space::param : Space::generic;
}

class InstructionParser {
 public:
  InstructionParser(Scanner& scanner, const Scope& scope, std::vector<std::string>& labels)
      : scanner_(scanner), scope_(scope), labels_(labels) {}

  Instruction parse() {
    const Token first = scanner_.peek();
    at_.line = first.line;
    guard();
    opcode(scanner_.next().text);
    if (at_.opcode->unit == Unit::branch)
      labels_.emplace_back(scanner_.next().text);
    else if (!(scanner_.peek().text == ";"))
      operands();
    at_.text = scanner_.between(first, scanner_.peek());
    scanner_.expect(";");
    if (at_.space == Space::param && at_.address.kind == Operand::Kind::reg) move_parameter();
    check();
    return std::move(at_);
  }

 private:
  void guard() {
    if (!scanner_.accept("@")) return;
    at_.guard_negated = scanner_.accept("!");
    at_.guard = reg(scanner_.next().text);
  }

  int reg(std::string_view name) {
    const Operand* found = scope_.find(name);
    if (!found || found->kind != Operand::Kind::reg) {
      scanner_.fail(fmt::format("{} is no register", name));
    }
    return found->index;
  }

  // "ld.global.nc.v4.b32": name, modifiers, types.
  void opcode(std::string_view word) {
    const std::string_view whole = word;
    const std::string_view name = word.substr(0, word.find('.'));
    at_.opcode = find_opcode(name);
    if (!at_.opcode) scanner_.fail(fmt::format("unknown instruction {}", whole));
    word.remove_prefix(name.size());
    while (!word.empty()) {
      word.remove_prefix(1);
      const std::string_view part = word.substr(0, word.find('.'));
      word.remove_prefix(part.size());
      if (!modifier(part)) {
        scanner_.fail(fmt::format("unknown instruction {}: .{}", whole, part));
      }
    }
    if (at_["v2"_m]) at_.vector = 2;
    if (at_["v4"_m]) at_.vector = 4;
  }

  bool modifier(std::string_view part) {
    if (const Type type = type_named(part); type != Type::none) {
      if (at_.type == Type::none) at_.type = type;
      at_.source = type;
      return true;
    }
    const auto place = place_of(kModifiers, part);
    if (!place || !listed(at_.opcode->modifiers, part)) return false;
    at_.modifiers[*place] = true;
    if (space_named(part) != Space::generic) at_.space = space_named(part);
    return true;
  }

  bool has_destination() const {
    switch (at_.opcode->unit) {
      case Unit::arithmetic:
      case Unit::load:
      case Unit::shuffle:
      case Unit::vote:
      case Unit::activemask:
      case Unit::reduce: return true;
      case Unit::atomic: return at_.opcode->name == "atom";
      default: return false;
    }
  }

  void operands() {
    bool destination = has_destination();
    do {
      if (scanner_.accept("["))
        address();
      else if (scanner_.accept("{")) {
        do one(destination);
        while (scanner_.accept(","));
        scanner_.expect("}");
      } else {
        do one(destination);
        while (scanner_.accept("|"));
      }
      destination = false;
    } while (scanner_.accept(","));
  }

  void one(bool destination) {
    if (!destination) return at_.sources.push_back(source());
    const std::string_view name = scanner_.next().text;
    at_.destinations.push_back(name == "_" ? kSink : reg(name));
  }

  Operand source() {
    const bool negated = scanner_.accept("!");
    Operand operand = value();
    operand.negated = negated;
    return operand;
  }

  Operand value() {
    const std::string_view text = scanner_.peek().text;
    if (const Operand* named = scope_.find(text)) {
      scanner_.next();
      return *named;
    }
    if (const auto special = place_of(kSpecials, text)) {
      scanner_.next();
      return {Operand::Kind::special, false, static_cast<int>(*special)};
    }
    return {Operand::Kind::immediate, false, -1, literal(text)};
  }

  // 0f3F800000 and 0d3FF0000000000000 are bits; 1.5 is a value of the instruction's type.
  Bits literal(std::string_view text) {
    if (text.starts_with("0f") || text.starts_with("0F") || text.starts_with("0d") ||
        text.starts_with("0D")) {
      Bits bits = 0;
      std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
      scanner_.next();
      return bits;
    }
    if (text.find('.') == std::string_view::npos) return parse_integer(scanner_);
    const double number = std::stod(std::string(scanner_.next().text));
    if (at_.source == Type::f64) return std::bit_cast<Bits>(number);
    return std::bit_cast<uint32_t>(static_cast<float>(number));
  }

  // [%rd1], [%rd1+8], [%rd1+-8], [name]. The second one is where a copy reads.
  void address() {
    const bool second = std::exchange(has_address_, true);
    Operand& base = second ? at_.from : at_.address;
    int64_t& offset = second ? at_.from_offset : at_.offset;
    if (second && at_.opcode->unit != Unit::copy) scanner_.fail("a second address");
    base = value();
    if (scanner_.accept("+")) offset = static_cast<int64_t>(parse_integer(scanner_));
    scanner_.expect("]");
  }

  // A parameter of a function that is called here is a register: ld.param and st.param move it.
  void move_parameter() {
    if (at_.opcode->unit == Unit::load)
      at_.sources = {at_.address};
    else
      at_.destinations = {at_.address.index};
    if (at_.vector != 1 || at_.offset != 0) fail("part of a parameter of a function");
    at_.opcode = find_opcode("mov");
    at_.space = Space::generic;
    at_.address = {};
  }

  void check() {
    const Opcode& opcode = *at_.opcode;
    const bool any_number = opcode.name == "mov" || opcode.unit == Unit::store;
    const bool combines = opcode.name.starts_with("set") && at_.sources.size() == 3;
    const bool pair = opcode.name == "cvt" && bits_of(at_.type) == 32 && at_.sources.size() == 2;
    if (opcode.unit == Unit::copy) return check_copy();
    const size_t due = opcode.sources + (at_["cas"_m] ? 1 : 0);
    if (!any_number && !combines && !pair && at_.sources.size() != due) {
      fail(fmt::format("{} operands where {} are due", at_.sources.size(), due));
    }
    if (opcode.unit == Unit::load || opcode.unit == Unit::store) {
      const size_t elements =
          (opcode.unit == Unit::load ? at_.destinations.size() : at_.sources.size());
      if (elements != static_cast<size_t>(at_.vector)) fail("registers and vector differ");
    }
    if (opcode.unit != Unit::arithmetic) return;
    at_.evaluate = opcode.decode(at_);
    if (!at_.evaluate) fail("not for this type");
  }

  // cp.async.ca.shared.global [to], [from], 4, %bytes; cp.async.commit_group; …wait_group 1;
  // …wait_all
  void check_copy() {
    if (!at_["async"_m]) fail("a copy that is not async");
    const size_t operands = at_.sources.size();
    if (at_["commit_group"_m] || at_["wait_all"_m]) {
      if (operands != 0) fail("operands where none is due");
    } else if (at_["wait_group"_m]) {
      if (operands != 1 || at_.sources[0].kind != Operand::Kind::immediate)
        fail("wants a number of groups");
    } else {
      const bool sized =
          (operands == 1 || operands == 2) && at_.sources[0].kind == Operand::Kind::immediate;
      const Bits bytes = sized ? at_.sources[0].value : 0;
      const bool small = bytes == 4 || bytes == 8;
      if (!at_["shared"_m] || !at_["global"_m] || (!(small && at_["ca"_m]) && bytes != 16))
        fail("copies 4, 8 or 16 bytes from global to shared memory");
    }
  }

  [[noreturn]] void fail(std::string_view what) const {
    throw PtxError(
        fmt::format("PTX line {}: unknown instruction: {} in '{}'", at_.line, what, at_.text));
  }

  Scanner& scanner_;
  const Scope& scope_;
  std::vector<std::string>& labels_;
  Instruction at_;
  bool has_address_ = false;
};

}  // namespace

Type type_named(std::string_view name) {
  for (const TypeName& type : kTypes) {
    if (type.name == name) return type.type;
  }
  return Type::none;
}

int bits_of(Type type) {
  for (const TypeName& row : kTypes) {
    if (row.type == type) return row.bits;
  }
  return 0;
}

bool is_float(Type type) { return type >= Type::f16; }
bool is_signed(Type type) { return type >= Type::s8 && type <= Type::s64; }

Instruction parse_instruction(Scanner& scanner, const Scope& scope,
                              std::vector<std::string>& labels) {
  return InstructionParser(scanner, scope, labels).parse();
}

const Opcode* find_opcode(std::string_view name) {
  for (const auto table : {arithmetic_opcodes(), approximation_opcodes(), bit_opcodes(),
                           compare_opcodes(), convert_opcodes(), warp_opcodes()}) {
    for (const Opcode& opcode : table) {
      if (opcode.name == name) return &opcode;
    }
  }
  return nullptr;
}

}  // namespace ag::ptx
