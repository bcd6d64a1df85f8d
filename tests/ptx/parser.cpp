// PTX text to a Module: directives, declarations and the shape of kernels.
#include "tests/ptx/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <utility>

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

// A function that kernels call. There is no call: its body is parsed anew in the place of each.
struct Function {
  std::vector<std::string> results, parameters;
  size_t body = 0;  // position of the token behind its brace
};

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
    else if (word == ".func")
      function();
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

  // (.param .b64 a, .param .b64 b)
  std::vector<std::string> function_parameters() {
    std::vector<std::string> names;
    scanner_.expect("(");
    while (!scanner_.accept(")")) {
      scanner_.expect(".param");
      names.emplace_back(parse_declaration(scanner_).name);
      scanner_.accept(",");
    }
    return names;
  }

  void function() {
    Function function;
    if (scanner_.peek().text == "(") function.results = function_parameters();
    const std::string name(scanner_.next().text);
    function.parameters = function_parameters();
    if (scanner_.accept(";")) return;  // declared, and defined later
    scanner_.expect("{");
    function.body = scanner_.position();
    for (int depth = 1; depth > 0;) {
      const std::string_view word = scanner_.next().text;
      if (word.empty()) scanner_.fail(fmt::format("function {} has no end", name));
      depth += word == "{" ? 1 : word == "}" ? -1 : 0;
    }
    functions_[name] = std::move(function);
  }

  // (a, b), as registers.
  std::vector<Operand> call_operands() {
    std::vector<Operand> operands;
    scanner_.expect("(");
    while (!scanner_.accept(")")) {
      const std::string_view name = scanner_.next().text;
      const Operand* found = scopes_.back().find(name);
      if (!found) scanner_.fail(fmt::format("{} is no parameter", name));
      operands.push_back(*found);
      scanner_.accept(",");
    }
    return operands;
  }

  // call.uni (result), name, (a, b);
  void call() {
    scanner_.next();
    std::vector<Operand> results, operands;
    if (scanner_.peek().text == "(") {
      results = call_operands();
      scanner_.expect(",");
    }
    const std::string name(scanner_.next().text);
    if (scanner_.accept(",")) operands = call_operands();
    scanner_.expect(";");
    const auto found = functions_.find(name);
    if (found == functions_.end()) scanner_.fail(fmt::format("no function {}", name));
    const Function& function = found->second;
    if (results.size() != function.results.size() || operands.size() != function.parameters.size())
      scanner_.fail(fmt::format("{} is called with other parameters", name));
    scopes_.push_back({&globals_, {}});
    for (size_t i = 0; i < results.size(); ++i)
      scopes_.back().names[function.results[i]] = results[i];
    for (size_t i = 0; i < operands.size(); ++i)
      scopes_.back().names[function.parameters[i]] = operands[i];
    body_of(function);
    scopes_.pop_back();
  }

  void body_of(const Function& function) {
    if (++depth_ > 16) scanner_.fail("a function that calls itself");
    const size_t after = scanner_.position();
    const std::string labels = std::exchange(label_prefix_, fmt::format("{}/", ++calls_));
    scanner_.go_to(function.body);
    while (!scanner_.accept("}")) {
      if (scanner_.peek().text != "ret") {
        statement();
        continue;
      }
      scanner_.next();
      scanner_.expect(";");
      if (scanner_.peek().text != "}") scanner_.fail("a function returns before its end");
    }
    scanner_.go_to(after);
    label_prefix_ = labels;
    --depth_;
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
    else if (word == ".param")
      call_parameter();
    else if (word == "call" || word == "call.uni")
      call();
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

  // What a call hands over is a register.
  void call_parameter() {
    scanner_.expect(".param");
    const Declaration declared = parse_declaration(scanner_);
    if (declared.bytes() > 8) scanner_.fail("a parameter of a function that is no number");
    add_register(std::string(declared.name));
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
      labels_[label_prefix_ + std::string(scanner_.next().text)] =
          static_cast<uint32_t>(kernel_.instructions.size());
      scanner_.next();
      return;
    }
    std::vector<std::string> labels;
    kernel_.instructions.push_back(parse_instruction(scanner_, scopes_.back(), labels));
    for (const std::string& label : labels) {
      pending_.push_back({kernel_.instructions.size() - 1, label_prefix_ + label});
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
  std::map<std::string, Function, std::less<>> functions_;
  std::string label_prefix_;  // of the call that is being parsed
  int calls_ = 0, depth_ = 0;
};

}  // namespace

Module parse(std::string_view text) { return Parser(text).module(); }

}  // namespace ag::ptx
