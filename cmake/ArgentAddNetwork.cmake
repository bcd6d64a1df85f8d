# argent_add_network(NAME
#   SOURCES net.cpp [more …]   the C++ file that declares the network; more: files it includes
#   FUNCTION make_net          the function in it that returns the network
#   [TARGETS x86-64-v3 …]      levels of processors to compile for (default: this machine's). With
#                              several, the library holds code and weights for each and takes the
#                              highest that the processor it runs on has
#   [BATCH 1 64 …]             batch sizes, one entry point each
#   [WEIGHTS file]             parameters to put into the library
#   [OPTIONS …]                further options of `argent compile`
#   [STATIC])                  an archive in place of a shared library
#
# Compiles a network while the project builds. Makes the library target NAME; whoever links to it
# may #include "NAME.h".
function(argent_add_network NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "STATIC" "FUNCTION;WEIGHTS"
                        "SOURCES;TARGETS;BATCH;OPTIONS")
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "argent_add_network(${NAME}): unknown argument ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  foreach(needed SOURCES FUNCTION)
    if(NOT ARG_${needed})
      message(FATAL_ERROR "argent_add_network(${NAME}): ${needed} is missing")
    endif()
  endforeach()
  if(NOT NAME MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "argent_add_network: the library's functions are called after ${NAME}, "
                        "which is no C identifier; use letters, digits and underscores")
  endif()

  set(sources ${ARG_SOURCES})
  list(TRANSFORM sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ REGEX "^[^/]")
  list(GET sources 0 network)
  set(options ${ARG_OPTIONS})
  if(ARG_BATCH)
    list(JOIN ARG_BATCH "," batch)
    list(APPEND options --batch ${batch})
  endif()
  if(ARG_WEIGHTS)
    get_filename_component(weights ${ARG_WEIGHTS} ABSOLUTE)
    list(APPEND options --weights ${weights})
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.argent)
  file(MAKE_DIRECTORY ${folder})

  list(LENGTH ARG_TARGETS levels)
  if(levels GREATER 1)
    _argent_network_of_levels()
  else()
    _argent_network_of_one_level()
  endif()
endfunction()

# Has `argent compile` make a file below ${folder}.
macro(_argent_compile FILE)
  cmake_parse_arguments(STEP "" "" "AFTER;BYPRODUCTS;OPTIONS" ${ARGN})
  add_custom_command(OUTPUT ${folder}/${FILE} ${STEP_BYPRODUCTS}
    COMMAND Argent::command compile ${network}:${ARG_FUNCTION} -o ${folder}/${FILE}
            ${STEP_OPTIONS} ${options}
    DEPENDS ${sources} ${weights} Argent::command ${STEP_AFTER}
    COMMENT "Compiling network ${NAME}: ${FILE}" VERBATIM)
endmacro()

# The library is the file that the command makes.
macro(_argent_network_of_one_level)
  if(ARG_STATIC)
    set(kind STATIC)
    set(file ${NAME}.a)
  else()
    set(kind SHARED)
    set(file ${NAME}.so)
  endif()
  if(ARG_TARGETS)
    set(level --target ${ARG_TARGETS})
  endif()
  _argent_compile(${file} BYPRODUCTS ${folder}/${NAME}.h OPTIONS --name ${NAME} ${level})
  add_custom_target(${NAME}_compile DEPENDS ${folder}/${file} ${folder}/${NAME}.h)
  add_library(${NAME} ${kind} IMPORTED GLOBAL)
  set_target_properties(${NAME} PROPERTIES
    IMPORTED_LOCATION ${folder}/${file}
    INTERFACE_INCLUDE_DIRECTORIES ${folder})
  if(ARG_STATIC)
    set_target_properties(${NAME} PROPERTIES INTERFACE_LINK_LIBRARIES m)
  endif()
  add_dependencies(${NAME} ${NAME}_compile)
endmacro()

# An archive for each level, and a function that takes the one for the processor at hand.
macro(_argent_network_of_levels)
  set(archives "")
  set(rows "")
  set(declarations "")
  foreach(target ${ARG_TARGETS})
    string(MAKE_C_IDENTIFIER "${NAME}_${target}" level)
    _argent_level_condition(${target} condition)
    _argent_compile(${level}.a BYPRODUCTS ${folder}/${level}.h
                    OPTIONS --name ${level} --target ${target})
    list(PREPEND archives ${folder}/${level}.a)
    string(PREPEND rows "  if (${condition}) return ${level}_model();\n")
    string(APPEND declarations "const argent_library* ${level}_model(void);\n")
  endforeach()
  # After an archive, whose kernels are then in the cache.
  list(GET ARG_TARGETS 0 target)
  list(GET archives -1 lowest)
  _argent_compile(${NAME}.h AFTER ${lowest} OPTIONS --name ${NAME} --target ${target})
  string(MAKE_C_IDENTIFIER "${NAME}_${target}" level)
  if(ARG_STATIC)
    set(kind STATIC)
    set(generic_name "")
  else()
    set(kind SHARED)
    set(generic_name "const argent_library* argent_model() { return ${NAME}_model(); }\n")
  endif()
  file(CONFIGURE OUTPUT ${folder}/choose.cpp @ONLY CONTENT [[
// The code for the highest level that this processor has; the lowest refuses to open elsewhere.
#include "@NAME@.h"

extern "C" {
@declarations@
const argent_library* @NAME@_model() {
  __builtin_cpu_init();
@rows@  return @level@_model();
}
@generic_name@}
]])
  add_library(${NAME} ${kind} ${folder}/choose.cpp ${folder}/${NAME}.h)
  target_link_libraries(${NAME} PRIVATE ${archives} m)
  add_custom_target(${NAME}_compile DEPENDS ${archives} ${folder}/${NAME}.h)
  add_dependencies(${NAME} ${NAME}_compile)
  set_target_properties(${NAME} PROPERTIES PREFIX "")
  target_include_directories(${NAME} PUBLIC ${folder})
endmacro()

# The C expression that is true where a level's code runs. Levels stand from low to high in TARGETS.
function(_argent_level_condition TARGET RESULT)
  set(v2 sse4.2 popcnt ssse3)
  set(v3 ${v2} avx2 bmi bmi2 fma)
  set(v4 ${v3} avx512f avx512bw avx512cd avx512dq avx512vl)
  set(v4_vnni_bf16 ${v4} avx512vnni avx512bf16)
  string(REGEX REPLACE "^x86-64-" "" level ${TARGET})
  string(REPLACE "+" "_" level ${level})
  if(NOT DEFINED ${level})
    message(FATAL_ERROR "argent_add_network: target ${TARGET} cannot be one of several; those are "
                        "x86-64-v2, x86-64-v3, x86-64-v4 and x86-64-v4+vnni+bf16")
  endif()
  list(TRANSFORM ${level} REPLACE "(.+)" "__builtin_cpu_supports(\"\\1\")" OUTPUT_VARIABLE calls)
  list(JOIN calls " && " condition)
  set(${RESULT} "${condition}" PARENT_SCOPE)
endfunction()
