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
  if(ARG_TARGETS)
    list(JOIN ARG_TARGETS "," targets)
    list(APPEND options --target ${targets})
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.argent)
  file(MAKE_DIRECTORY ${folder})
  if(ARG_STATIC)
    set(kind STATIC)
    set(file ${NAME}.a)
  else()
    set(kind SHARED)
    set(file ${NAME}.so)
  endif()
  add_custom_command(OUTPUT ${folder}/${file} ${folder}/${NAME}.h
    COMMAND Argent::command compile ${network}:${ARG_FUNCTION} -o ${folder}/${file}
            --name ${NAME} ${options}
    DEPENDS ${sources} ${weights} Argent::command
    COMMENT "Compiling network ${NAME}" VERBATIM)
  add_custom_target(${NAME}_compile DEPENDS ${folder}/${file} ${folder}/${NAME}.h)
  add_library(${NAME} ${kind} IMPORTED GLOBAL)
  set_target_properties(${NAME} PROPERTIES
    IMPORTED_LOCATION ${folder}/${file}
    INTERFACE_INCLUDE_DIRECTORIES ${folder})
  if(ARG_STATIC)
    set_target_properties(${NAME} PROPERTIES INTERFACE_LINK_LIBRARIES m)
  endif()
  add_dependencies(${NAME} ${NAME}_compile)
endfunction()
