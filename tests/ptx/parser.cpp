// PTX text to a Module: directives, declarations and the shape of kernels.
#include "tests/ptx/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>

#include "tests/ptx/opcode.h"
#include "tests/ptx/reconverge.h"

namespace ag::ptx {

const Operand* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope; scope = scope->outer) {
    if (const auto found = scope->names.find(name); found != scope->names.end()) {
      return &found->second;
    }
  }
  return nullptr;
}

uint64_t parse_integer(Scanner& scanner) {
  const bool negative = scanner.accept("-");
  std::string_view text = scanner.next().text;
  if (text.ends_with('U')) text.remove_suffix(1);
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  if (hexadecimal) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) {
    scanner.fail(fmt::format("'{}' is no integer", text));
  }
  return negative ? 0 - value : value;
}

namespace {

uint32_t align_up(uint64_t bytes, uint32_t alignment) {
  return static_cast<uint32_t>((bytes + alignment - 1) / alignment * alignment);
}

// `.align 4 .b8 name[24]`: a variable before it has a place.
struct Declaration {
  std::string_view name;
  Type type = Type::none;
  uint32_t alignment = 1;
  uint64_t elements = 1;
  bool sized = true;  // false: name[]

  uint32_t element_bytes() const { return static_cast<uint32_t>(bits_of(type)) / 8; }
  uint64_t bytes() const { return sized ? elements * element_bytes() : 0; }
};

Declaration parse_declaration(Scanner& scanner) {
  Declaration declared;
  bool pointee = false;  // behind .ptr: what a parameter points to
  while (scanner.peek().text.starts_with('.')) {
    const std::string_view word = scanner.next().text.substr(1);
    if (word == "ptr")
      pointee = true;
    else if (word == "align") {
      const auto bytes = static_cast<uint32_t>(parse_integer(scanner));
      if (!pointee) declared.alignment = bytes;
    } else if (const Type type = type_named(word); type != Type::none)
      declared.type = type;
    else if (word != "global" && word != "const" && word != "shared" && word != "local")
      scanner.fail(fmt::format("unknown directive .{}", word));
  }
  declared.name = scanner.next().text;
  declared.alignment = std::max(declared.alignment, declared.element_bytes());
  while (scanner.accept("[")) {
    declared.sized = !scanner.accept("]");
    if (!declared.sized) continue;
    declared.elements *= parse_integer(scanner);
    scanner.expect("]");
  }
  return declared;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : scanner_(text) {}

  Module module() {
    while (!scanner_.ended()) module_item();
    return std::move(module_);
  }

 private:
  void module_item() {
    const std::string_view word = scanner_.next().text;
    if (word == ".version")
      version();
    else if (word == ".target")
      target();
    else if (word == ".address_size" || word == ".file")
      scanner_.skip_line();
    else if (word == ".global" || word == ".const")
      module_variable();
    else if (word == ".shared")
      shared_variable(globals_, module_shared_);
    else if (word == ".entry")
      kernel();
    else if (word != ".visible" && word != ".extern" && word != ".weak") {
      scanner_.fail(fmt::format("unknown directive {}", word));
    }
  }

  void version() {
    for (const char c : scanner_.next().text) {
      if (c != '.') module_.version = 10 * module_.version + (c - '0');
    }
  }

  void target() {
    module_.target = std::string(scanner_.next().text);
    while (scanner_.accept(",")) scanner_.next();
  }

  void module_variable() {
    const Declaration declared = parse_declaration(scanner_);
    const uint32_t place = align_up(module_.variables.size(), declared.alignment);
    module_.variables.resize(place + declared.bytes());
    globals_.names[std::string(declared.name)] = {Operand::Kind::variable, false, -1, place};
    if (scanner_.accept("=")) initial_values(declared, place);
    scanner_.expect(";");
  }

  void initial_values(const Declaration& declared, size_t place) {
    const bool list = scanner_.accept("{");
    for (size_t i = 0; i < declared.elements; ++i) {
      uint64_t value = parse_integer(scanner_);
      for (uint32_t byte = 0; byte < declared.element_bytes(); ++byte, value >>= 8) {
        module_.variables[place + i * declared.element_bytes() + byte] =
            static_cast<uint8_t>(value);
      }
      if (!list || !scanner_.accept(",")) break;  // the rest is zero
    }
    if (list) scanner_.expect("}");
  }

  // Arrays of no size are the dynamic part of shared memory.
  void shared_variable(Scope& scope, uint32_t& bytes) {
    const Declaration declared = parse_declaration(scanner_);
    Operand place{Operand::Kind::dynamic};
    if (declared.sized) {
      place = {Operand::Kind::immediate, false, -1, align_up(bytes, declared.alignment)};
      bytes = static_cast<uint32_t>(place.value + declared.bytes());
    }
    scope.names[std::string(declared.name)] = place;
    scanner_.expect(";");
  }

  void kernel() {
    kernel_ = {};
    scopes_.clear();
    scopes_.push_back({&globals_, {}});
    labels_.clear();
    pending_.clear();
    kernel_.name = std::string(scanner_.next().text);
    kernel_.shared_bytes = module_shared_;
    scanner_.expect("(");
    while (!scanner_.accept(")")) {
      scanner_.expect(".param");
      parameter();
      scanner_.accept(",");
    }
    while (scanner_.peek().text.starts_with('.')) scanner_.skip_line();  // .maxntid and the like
    scanner_.expect("{");
    while (!scanner_.accept("}")) statement();
    finish();
  }

  void parameter() {
    const Declaration declared = parse_declaration(scanner_);
    const uint32_t offset = align_up(kernel_.parameter_bytes, declared.alignment);
    kernel_.parameter_bytes = offset + static_cast<uint32_t>(declared.bytes());
    kernel_.parameters.push_back(
        {std::string(declared.name), offset, static_cast<uint32_t>(declared.bytes())});
    scopes_.back().names[std::string(declared.name)] = {Operand::Kind::immediate, false, -1,
                                                        offset};
  }

  void statement() {
    const std::string_view word = scanner_.peek().text;
    if (scanner_.accept("{"))
      inner_scope();
    else if (word == ".reg")
      registers();
    else if (word == ".local")
      local_variable();
    else if (word == ".shared" && scanner_.accept(".shared")) {
      shared_variable(scopes_.back(), kernel_.shared_bytes);
    } else if (word == ".pragma" || word == ".loc" || word == ".file")
      scanner_.skip_line();
    else
      instruction_or_label();
  }

  // Inline assembly brings braces, with registers of its own.
  void inner_scope() {
    scopes_.push_back({&scopes_.back(), {}});
    while (!scanner_.accept("}")) statement();
    scopes_.pop_back();
  }

  void add_register(const std::string& name) {
    scopes_.back().names[name] = {Operand::Kind::reg, false,
                                  static_cast<int>(kernel_.registers.size())};
    kernel_.registers.push_back(name);
  }

  // .reg .b32 %r<4>, %a;  %r<4> stands for %r0 to %r3
  void registers() {
    scanner_.expect(".reg");
    scanner_.next();  // the type: instructions say what they read
    do {
      const std::string name(scanner_.next().text);
      if (!scanner_.accept("<")) {
        add_register(name);
        continue;
      }
      const uint64_t count = parse_integer(scanner_);
      for (uint64_t i = 0; i < count; ++i) add_register(fmt::format("{}{}", name, i));
      scanner_.expect(">");
    } while (scanner_.accept(","));
    scanner_.expect(";");
  }

  void local_variable() {
    scanner_.expect(".local");
    const Declaration declared = parse_declaration(scanner_);
    const uint32_t place = align_up(kernel_.local_bytes, declared.alignment);
    kernel_.local_bytes = place + static_cast<uint32_t>(declared.bytes());
    scopes_.back().names[std::string(declared.name)] = {Operand::Kind::immediate, false, -1, place};
    scanner_.expect(";");
  }

  void instruction_or_label() {
    if (scanner_.peek(1).text == ":") {
      labels_[std::string(scanner_.next().text)] =
          static_cast<uint32_t>(kernel_.instructions.size());
      scanner_.next();
      return;
    }
    std::vector<std::string> labels;
    kernel_.instructions.push_back(parse_instruction(scanner_, scopes_.back(), labels));
    for (const std::string& label : labels) {
      pending_.push_back({kernel_.instructions.size() - 1, label});
    }
  }

  void finish() {
    for (const PendingLabel& pending : pending_) {
      const auto found = labels_.find(pending.label);
      if (found == labels_.end()) scanner_.fail(fmt::format("no label {}", pending.label));
      kernel_.instructions[pending.instruction].targets.push_back(found->second);
    }
    find_reconvergence(kernel_);
    const std::string name = kernel_.name;
    module_.kernels.emplace(name, std::move(kernel_));
  }

  Scanner scanner_;
  Module module_;
  Scope globals_;
  std::deque<Scope> scopes_;  // of the kernel, and the braces within it that are open
  uint32_t module_shared_ = 0;
  Kernel kernel_;
  std::map<std::string, uint32_t, std::less<>> labels_;
  std::vector<PendingLabel> pending_;
};

}  // namespace

Module parse(std::string_view text) { return Parser(text).module(); }

}  // namespace ag::ptx
