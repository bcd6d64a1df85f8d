# argent_folder(NAME SOURCES … DEPENDS …): the library of one source folder, with the project's
# warnings as errors and includes written from the repository's root ("ir/graph.h").
add_library(argent_flags INTERFACE)
target_include_directories(argent_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
# -Wrestrict is off: GCC 12 reports std::string concatenation falsely (GCC bug 105651).
target_compile_options(argent_flags INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers -Wno-restrict)
if(ARGENT_SANITIZE)
  # The checks for null are off: with any of them GCC 12 holds that comparing a function's address
  # with null is no constant expression, and the op records are constants. A null
  # that is read is a crash, which the sanitizers report.
  target_compile_options(argent_flags INTERFACE
    -fsanitize=${ARGENT_SANITIZE} -fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute
    -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(argent_flags INTERFACE -fsanitize=${ARGENT_SANITIZE})
endif()

# A source of this folder that reads <regex>, which GCC 12 reports falsely where the sanitizers are
# on (GCC bug 105562).
function(argent_uses_regex SOURCE)
  if(ARGENT_SANITIZE)
    set_source_files_properties(${SOURCE} PROPERTIES COMPILE_OPTIONS -Wno-maybe-uninitialized)
  endif()
endfunction()

function(argent_folder NAME)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${NAME} STATIC ${ARG_SOURCES})
  target_link_libraries(${NAME} PUBLIC argent_flags fmt::fmt ${ARG_DEPENDS})
endfunction()
