#include "codegen/link/disassembly.h"

#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCDisassembler/MCDisassembler.h>
#include <llvm/MC/MCInst.h>
#include <llvm/MC/MCInstPrinter.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/TargetSelect.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "ir/diagnostics.h"
#include "ir/internal_error.h"

namespace ag {
namespace {

// A processor that has everything: what an object contains is shown, not judged.
struct Everything {
  const char* cpu;
  const char* features;
};
constexpr Everything kEverythingX86 = {
    "sapphirerapids", "+avx512vp2intersect,+avxifma,+avxvnniint8,+avxneconvert,+sse4a,+fma4,+xop"};
constexpr Everything kEverythingArm = {"generic", "+all"};

const Everything& everything_of(const Target& target) {
  return target.architecture == Architecture::x86_64 ? kEverythingX86 : kEverythingArm;
}

template <class T>
std::unique_ptr<T> made(T* pointer, const char* what) {
  if (!pointer) internal_error("LLVM makes no {}", what);
  return std::unique_ptr<T>(pointer);
}

// LLVM's machine-code layer for one processor.
class MachineCode {
 public:
  MachineCode(const Target& target, const std::string& cpu, const std::string& features)
      : triple_(std::string(target.triple)),
        backend_(lookup(triple_.str())),
        registers_(made(backend_->createMCRegInfo(triple_.str()), "register names")),
        syntax_(made(backend_->createMCAsmInfo(*registers_, triple_.str(), options_), "syntax")),
        instructions_(made(backend_->createMCInstrInfo(), "instruction table")),
        processor_(
            made(backend_->createMCSubtargetInfo(triple_.str(), cpu, features), "processor")) {}

  std::vector<Instruction> decode(const llvm::object::ObjectFile& file) {
    llvm::MCContext context(triple_, syntax_.get(), registers_.get(), processor_.get());
    const auto decoder = made(backend_->createMCDisassembler(*processor_, context), "disassembler");
    const auto printer = made(backend_->createMCInstPrinter(triple_, syntax_->getAssemblerDialect(),
                                                            *syntax_, *instructions_, *registers_),
                              "printer");
    std::vector<Instruction> result;
    for (const auto& section : file.sections()) {
      if (section.isText()) decode_section(file, section, *decoder, *printer, result);
    }
    return result;
  }

 private:
  static const llvm::Target* lookup(const std::string& triple) {
    static std::once_flag once;
    std::call_once(once, [] {
      LLVMInitializeX86TargetInfo();
      LLVMInitializeX86TargetMC();
      LLVMInitializeX86Disassembler();
      LLVMInitializeAArch64TargetInfo();
      LLVMInitializeAArch64TargetMC();
      LLVMInitializeAArch64Disassembler();
    });
    std::string error;
    const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
    if (!target) internal_error("LLVM has no backend for {}: {}", triple, error);
    return target;
  }

  // Start addresses of a section's functions.
  static std::map<uint64_t, std::string> functions_of(const llvm::object::ObjectFile& file,
                                                      const llvm::object::SectionRef& section) {
    std::map<uint64_t, std::string> functions;
    for (const auto& symbol : file.symbols()) {
      auto home = symbol.getSection();
      auto name = symbol.getName();
      auto address = symbol.getAddress();
      auto type = symbol.getType();
      if (home && name && address && type && *home != file.section_end() && **home == section &&
          *type == llvm::object::SymbolRef::ST_Function) {
        functions[*address] = name->str();
      }
    }
    return functions;
  }

  void decode_section(const llvm::object::ObjectFile& file, const llvm::object::SectionRef& section,
                      llvm::MCDisassembler& decoder, llvm::MCInstPrinter& printer,
                      std::vector<Instruction>& result) {
    auto contents = section.getContents();
    if (!contents) internal_error("unreadable section: {}", llvm::toString(contents.takeError()));
    const llvm::ArrayRef<uint8_t> bytes(contents->bytes_begin(), contents->size());
    const auto functions = functions_of(file, section);
    std::string symbol;
    for (uint64_t at = 0, size = 0; at < bytes.size(); at += std::max<uint64_t>(size, 1)) {
      if (auto found = functions.find(section.getAddress() + at); found != functions.end()) {
        symbol = found->second;
      }
      llvm::MCInst instruction;
      if (decoder.getInstruction(instruction, size, bytes.slice(at), at, llvm::nulls()) ==
          llvm::MCDisassembler::Fail) {
        continue;
      }
      std::string text;
      llvm::raw_string_ostream stream(text);
      printer.printInst(&instruction, at, "", *processor_, stream);
      result.push_back({symbol, llvm::StringRef(stream.str()).trim().str()});
    }
  }

  llvm::Triple triple_;
  llvm::MCTargetOptions options_;
  const llvm::Target* backend_;
  std::unique_ptr<llvm::MCRegisterInfo> registers_;
  std::unique_ptr<llvm::MCAsmInfo> syntax_;
  std::unique_ptr<llvm::MCInstrInfo> instructions_;
  std::unique_ptr<llvm::MCSubtargetInfo> processor_;
};

}  // namespace

std::vector<Instruction> disassemble(const std::string& object, const Target& target) {
  const Everything& all = everything_of(target);
  auto file = llvm::object::ObjectFile::createObjectFile({object, "object"});
  if (!file) internal_error("not an object: {}", llvm::toString(file.takeError()));
  return MachineCode(target, all.cpu, all.features).decode(**file);
}

}  // namespace ag
