#include "codegen/link/weights_object.h"

#include <llvm/BinaryFormat/ELF.h>

#include <algorithm>

namespace ag {
namespace {

using namespace llvm::ELF;

constexpr size_t kAlignment = plan::kStorageAlignment;
constexpr char kZeros[kAlignment] = {};

size_t padding_after(size_t size) { return (kAlignment - size % kAlignment) % kAlignment; }

template <class Record>
void append(std::string& bytes, const Record& record) {
  bytes.append(reinterpret_cast<const char*>(&record), sizeof record);
}

// ELF's string table; an empty name is its first.
class Names {
 public:
  uint32_t add(const std::string& name) {
    const auto at = static_cast<uint32_t>(bytes_.size());
    bytes_ += name + '\0';
    return at;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_ = std::string(1, '\0');
};

}  // namespace

// Sections: none, one for each symbol, symbols, names.
WeightsObject::WeightsObject(const Target& target, const std::vector<BlobSymbol>& symbols)
    : symbols_(symbols) {
  static_assert(sizeof(Elf64_Ehdr) % kAlignment == 0, "the first symbol's bytes follow it");
  const auto count = static_cast<uint16_t>(symbols.size());
  Names names;
  std::vector<Elf64_Shdr> sections(1);
  std::string table;
  append(table, Elf64_Sym{});
  size_t offset = sizeof(Elf64_Ehdr);
  for (const BlobSymbol& symbol : symbols) {
    Elf64_Sym entry{};
    entry.st_name = names.add(symbol.name);
    entry.setBindingAndType(STB_GLOBAL, STT_OBJECT);
    entry.st_other = STV_HIDDEN;
    entry.st_shndx = static_cast<uint16_t>(sections.size());
    entry.st_size = symbol.bytes.size();
    append(table, entry);
    Elf64_Shdr section{};
    section.sh_name = names.add(".rodata." + symbol.name);
    section.sh_type = SHT_PROGBITS;
    section.sh_flags = SHF_ALLOC;
    section.sh_offset = offset;
    section.sh_size = symbol.bytes.size();
    section.sh_addralign = kAlignment;
    sections.push_back(section);
    offset += symbol.bytes.size() + padding_after(symbol.bytes.size());
  }
  Elf64_Shdr section{};
  section.sh_name = names.add(".symtab");
  section.sh_type = SHT_SYMTAB;
  section.sh_offset = offset;
  section.sh_size = table.size();
  section.sh_link = count + 2u;
  section.sh_info = 1;  // local symbols: the empty one
  section.sh_addralign = alignof(Elf64_Sym);
  section.sh_entsize = sizeof(Elf64_Sym);
  sections.push_back(section);
  section = {};
  section.sh_name = names.add(".strtab");
  section.sh_type = SHT_STRTAB;
  section.sh_offset = offset + table.size();
  section.sh_size = names.bytes().size();
  section.sh_addralign = 1;
  sections.push_back(section);

  tail_ = table + names.bytes();
  tail_.append(padding_after(tail_.size()), '\0');
  Elf64_Ehdr header{};
  std::copy_n(ElfMagic, 4, header.e_ident);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = target.architecture == Architecture::x86_64 ? EM_X86_64 : EM_AARCH64;
  header.e_version = EV_CURRENT;
  header.e_shoff = offset + tail_.size();
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<uint16_t>(sections.size());
  header.e_shstrndx = static_cast<uint16_t>(count + 2);
  append(head_, header);
  for (const Elf64_Shdr& one : sections) append(tail_, one);
}

ObjectFile WeightsObject::file() const {
  ObjectFile file{"weights", {head_}};
  for (const BlobSymbol& symbol : symbols_) {
    file.pieces.push_back(symbol.bytes);
    file.pieces.emplace_back(kZeros, padding_after(symbol.bytes.size()));
  }
  file.pieces.push_back(tail_);
  return file;
}

}  // namespace ag
