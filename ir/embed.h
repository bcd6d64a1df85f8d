// Whole files inside a program: AG_EMBED(name, "path") defines name_begin and name_end around the
// file's bytes, behind which a zero follows. The assembler reads the file: give the build system
// the dependency (OBJECT_DEPENDS).
#pragma once

#define AG_EMBED(name, file)                                                                      \
  __asm__(".pushsection .rodata\n.balign 64\n.hidden " #name "_begin\n.hidden " #name             \
          "_end\n.globl " #name "_begin\n.globl " #name "_end\n" #name "_begin:\n.incbin \"" file \
          "\"\n" #name "_end:\n.byte 0\n.popsection\n");                                          \
  extern "C" const char name##_begin[], name##_end[]
