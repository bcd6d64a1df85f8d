# What Argent is built with: LLVM 19 and lld (Debian), Halide 21 (PyPI wheel in the project's venv),
# fmt, CLI11, nlohmann-json.
find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)

find_program(ARGENT_CCACHE ccache)
if(ARGENT_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ARGENT_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${ARGENT_CCACHE})
endif()

# Halide: the wheel keeps headers in halide/include and the library in halide/lib64.
file(GLOB _halide_candidates ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/halide)
find_path(HALIDE_INCLUDE_DIR Halide.h HINTS ${_halide_candidates} PATH_SUFFIXES include REQUIRED)
find_library(HALIDE_LIBRARY Halide HINTS ${_halide_candidates} PATH_SUFFIXES lib64 lib REQUIRED)
add_library(argent_halide SHARED IMPORTED)
set_target_properties(argent_halide PROPERTIES
  IMPORTED_LOCATION ${HALIDE_LIBRARY}
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${HALIDE_INCLUDE_DIR}
  INTERFACE_INCLUDE_DIRECTORIES ${HALIDE_INCLUDE_DIR})

# LLVM 19 and lld beside it.
find_program(LLVM_CONFIG NAMES llvm-config-19 HINTS /usr/lib/llvm-19/bin REQUIRED)
execute_process(COMMAND ${LLVM_CONFIG} --includedir OUTPUT_VARIABLE _llvm_include OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --libdir OUTPUT_VARIABLE _llvm_libdir OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND ${LLVM_CONFIG} --libs --link-shared OUTPUT_VARIABLE _llvm_libs OUTPUT_STRIP_TRAILING_WHITESPACE)
add_library(argent_llvm INTERFACE)
target_include_directories(argent_llvm SYSTEM INTERFACE ${_llvm_include})
target_link_directories(argent_llvm INTERFACE ${_llvm_libdir})
target_link_libraries(argent_llvm INTERFACE lldELF lldCommon ${_llvm_libs} z zstd)

# libzip, without its CMake package: Debian's names programs of a package that need not be there.
find_path(ZIP_INCLUDE_DIR zip.h REQUIRED)
find_library(ZIP_LIBRARY zip REQUIRED)
add_library(argent_zip INTERFACE)
target_include_directories(argent_zip SYSTEM INTERFACE ${ZIP_INCLUDE_DIR})
target_link_libraries(argent_zip INTERFACE ${ZIP_LIBRARY})
