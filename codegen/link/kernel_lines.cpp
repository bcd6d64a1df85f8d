#include "codegen/link/kernel_lines.h"

#include <fmt/format.h>
#include <llvm/BinaryFormat/Dwarf.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Target/TargetMachine.h>

#include <algorithm>
#include <set>

#include "codegen/link/machine_code.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

namespace dwarf = llvm::dwarf;

// A function of a kernel's object.
struct Code {
  std::string symbol, title;
  uint64_t size = 0;
  const Location* location = nullptr;
};

template <class T>
T expect(llvm::Expected<T> value) {
  if (value) return std::move(*value);
  internal_error("reading a kernel's symbols: {}", llvm::toString(value.takeError()));
}

// Halide's other entries to a kernel. Nobody calls them, and linking drops them.
bool is_unused(std::string_view symbol) {
  return symbol.ends_with("_argv") || symbol.ends_with("_metadata");
}

// Kernels and the bodies of their loops that work for a known line, by name.
std::vector<Code> code_of(const std::string& object, const KernelTitles& titles) {
  const auto file = expect(
      llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(object, "kernel")));
  std::vector<Code> code;
  for (const llvm::object::ELFSymbolRef symbol : file->symbols()) {
    if (expect(symbol.getType()) != llvm::object::SymbolRef::ST_Function) continue;
    if (expect(symbol.getSection()) == file->section_end() || symbol.getSize() == 0) continue;
    const std::string name = expect(symbol.getName()).str();
    const FunctionTitle title = title_of(titles, name);
    if (!title.kernel || !title.kernel->location.known()) continue;
    if (is_unused(name) || symbol.getBinding() == llvm::ELF::STB_LOCAL) continue;
    code.push_back({name, title.text, symbol.getSize(), &title.kernel->location});
  }
  std::sort(code.begin(), code.end(),
            [](const Code& a, const Code& b) { return a.symbol < b.symbol; });
  return code;
}

// Assembly of the four sections; LLVM's assembler makes the relocations.
class LineTable {
 public:
  explicit LineTable(const std::string& unit) : unit_(unit) {}

  void add(const Code& code) {
    const int file = file_number(code.location->file);
    programs_ += fmt::format(
        "  .byte 0, 9, {set_address}\n  .quad {address}\n"
        "  .byte {set_file}\n  .uleb128 {file}\n"
        "  .byte {advance_line}\n  .sleb128 {line}\n  .byte {copy}\n"
        "  .byte {advance_pc}\n  .uleb128 {size}\n  .byte 0, 1, {end}\n",
        fmt::arg("set_address", int{dwarf::DW_LNE_set_address}), fmt::arg("address", code.symbol),
        fmt::arg("set_file", int{dwarf::DW_LNS_set_file}), fmt::arg("file", file),
        fmt::arg("advance_line", int{dwarf::DW_LNS_advance_line}),
        fmt::arg("line", code.location->line - 1), fmt::arg("copy", int{dwarf::DW_LNS_copy}),
        fmt::arg("advance_pc", int{dwarf::DW_LNS_advance_pc}), fmt::arg("size", code.size),
        fmt::arg("end", int{dwarf::DW_LNE_end_sequence}));
    ranges_ += fmt::format("  .quad {0}, {0}+{1}\n", code.symbol, code.size);
    entries_ += fmt::format(
        "  .uleb128 2\n  .asciz {}\n  .uleb128 {}\n  .uleb128 {}\n  .quad {}\n  .quad {}\n",
        quoted(code.title), file, code.location->line, code.symbol, code.size);
  }

  std::string assembly() const { return abbreviations() + info() + ranges() + lines(); }

 private:
  static std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
      const bool plain = c >= ' ' && c != '"' && c != '\\' && c != 127;
      result += plain ? std::string(1, c) : fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
    return result + "\"";
  }

  // Files count from 1.
  int file_number(const std::string& name) {
    const auto found = std::find(files_.begin(), files_.end(), name);
    if (found != files_.end()) return static_cast<int>(found - files_.begin()) + 1;
    files_.push_back(name);
    return static_cast<int>(files_.size());
  }

  static std::string section(const char* name) {
    return fmt::format(".section {},\"\",@progbits\n", name);
  }

  // Pairs of attribute and form.
  static std::string abbreviation(int number, int tag, int has_children,
                                  std::initializer_list<std::pair<int, int>> attributes) {
    std::string text = fmt::format("  .uleb128 {}, {}\n  .byte {}\n", number, tag, has_children);
    for (const auto& [attribute, form] : attributes)
      text += fmt::format("  .uleb128 {}, {}\n", attribute, form);
    return text + "  .byte 0, 0\n";
  }

  static std::string abbreviations() {
    return section(".debug_abbrev") + ".Labbreviations:\n" +
           abbreviation(1, dwarf::DW_TAG_compile_unit, dwarf::DW_CHILDREN_yes,
                        {{dwarf::DW_AT_producer, dwarf::DW_FORM_string},
                         {dwarf::DW_AT_language, dwarf::DW_FORM_data2},
                         {dwarf::DW_AT_name, dwarf::DW_FORM_string},
                         {dwarf::DW_AT_comp_dir, dwarf::DW_FORM_string},
                         {dwarf::DW_AT_stmt_list, dwarf::DW_FORM_sec_offset},
                         {dwarf::DW_AT_low_pc, dwarf::DW_FORM_addr},
                         {dwarf::DW_AT_ranges, dwarf::DW_FORM_sec_offset}}) +
           abbreviation(2, dwarf::DW_TAG_subprogram, dwarf::DW_CHILDREN_no,
                        {{dwarf::DW_AT_name, dwarf::DW_FORM_string},
                         {dwarf::DW_AT_decl_file, dwarf::DW_FORM_udata},
                         {dwarf::DW_AT_decl_line, dwarf::DW_FORM_udata},
                         {dwarf::DW_AT_low_pc, dwarf::DW_FORM_addr},
                         {dwarf::DW_AT_high_pc, dwarf::DW_FORM_data8}}) +
           "  .byte 0\n";
  }

  std::string info() const {
    return section(".debug_info") +
           fmt::format(
               "  .long .Linfo_end - .Linfo\n.Linfo:\n  .short 4\n  .long .Labbreviations\n"
               "  .byte 8\n  .uleb128 1\n  .asciz \"argent\"\n  .short {}\n  .asciz {}\n"
               "  .asciz \".\"\n  .long .Llines\n  .quad 0\n  .long .Lranges\n{}  .byte 0\n"
               ".Linfo_end:\n",
               int{dwarf::DW_LANG_C99}, quoted(unit_), entries_);
  }

  std::string ranges() const {
    return section(".debug_ranges") + ".Lranges:\n" + ranges_ + "  .quad 0, 0\n";
  }

  std::string lines() const {
    std::string files;
    for (const std::string& file : files_)
      files += fmt::format("  .asciz {}\n  .byte 0, 0, 0\n", quoted(file));
    // Header: instructions' least size, operations in one, statements are rows, what special
    // opcodes mean (there are none), operands of the twelve standard opcodes.
    return section(".debug_line") +
           fmt::format(
               ".Llines:\n  .long .Lprograms_end - .Lversion\n.Lversion:\n  .short 4\n"
               "  .long .Lprograms - .Lheader\n.Lheader:\n  .byte 1, 1, 1, -5, 14, 13\n"
               "  .byte 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1\n  .byte 0\n{}  .byte 0\n"
               ".Lprograms:\n{}.Lprograms_end:\n",
               files, programs_);
  }

  const std::string unit_;
  std::vector<std::string> files_;
  std::string programs_, ranges_, entries_;
};

}  // namespace

std::string kernel_lines_object(std::span<const plan::Program> levels, const Target& target) {
  LineTable table(levels[0].name + ".kernels");
  bool any = false;
  std::set<const std::string*> seen;  // one object may define several kernels
  for (const plan::Program& program : levels) {
    const KernelTitles titles = kernel_titles(program);
    for (const auto& [symbol, object] : program.kernels) {
      if (!seen.insert(object.get()).second) continue;
      for (const Code& code : code_of(*object, titles)) {
        table.add(code);
        any = true;
      }
    }
  }
  if (!any) return "";
  const std::unique_ptr<llvm::TargetMachine> machine = make_target_machine(target);
  llvm::LLVMContext context;
  llvm::Module module("kernel_lines", context);
  module.setTargetTriple(std::string(target.triple));
  module.setDataLayout(machine->createDataLayout());
  module.appendModuleInlineAsm(table.assembly());
  return object_bytes(module, *machine);
}

}  // namespace ag
