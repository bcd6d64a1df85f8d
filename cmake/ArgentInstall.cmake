# The installed product: a prefix that may be moved.
#
#   bin/argent                      the command
#   lib/libargent.so                the compiler as a library, all of what <argent/argent.h> declares
#   libexec/argent/argent-kc        the kernel compiler, with Halide's library beside it
#   include/argent/argent.h         users' header; the headers it reads are below include/argent/
#   lib/cmake/Argent/               find_package(Argent), argent_add_network()
#
# The build tree has the same files at build/argent, build/lib/, build/argent-kc and build/include/,
# so the command finds its library and headers in both by the same rule.
set(CMAKE_INSTALL_LIBDIR lib)  # the library and the kernel compiler find each other by this
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# argent_library(FOLDER …): libargent.so from the folders' libraries, whole.
function(argent_library)
  list(JOIN ARGN "," folders)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/argent_library.cpp
       CONTENT "// libargent.so consists of the folders' libraries alone.\n")
  add_library(argent_library SHARED ${PROJECT_BINARY_DIR}/argent_library.cpp)
  target_link_libraries(argent_library PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,${folders}>")
  set(exports ${PROJECT_SOURCE_DIR}/cmake/libargent.map)
  target_link_options(argent_library PRIVATE -Wl,--version-script=${exports})
  set_property(TARGET argent_library PROPERTY LINK_DEPENDS ${exports})
  if(NOT ARGENT_SANITIZE)  # with them the program brings symbols; else all must be found here
    target_link_options(argent_library PRIVATE -Wl,-z,defs)
  endif()
  target_compile_features(argent_library INTERFACE cxx_std_20)
  target_include_directories(argent_library INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:include> $<INSTALL_INTERFACE:include/argent>)
  set_target_properties(argent_library PROPERTIES
    OUTPUT_NAME argent EXPORT_NAME argent
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
    INSTALL_RPATH "$ORIGIN")
endfunction()

# argent_header_folders(FOLDER …): source folders whose headers users' programs may read, installed
# below include/argent/ and linked there in the build tree.
function(argent_header_folders)
  set(tree ${PROJECT_BINARY_DIR}/include/argent)
  file(MAKE_DIRECTORY ${tree})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/argent/argent.h ${tree}/argent.h SYMBOLIC)
  foreach(folder ${ARGN})
    get_filename_component(parent ${folder} DIRECTORY)
    file(MAKE_DIRECTORY ${tree}/${parent})
    if(NOT EXISTS ${tree}/${folder})
      file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${tree}/${folder} SYMBOLIC)
    endif()
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION include/argent/${parent}
            FILES_MATCHING PATTERN "*.h")
  endforeach()
  install(FILES ${PROJECT_SOURCE_DIR}/include/argent/argent.h DESTINATION include/argent)
endfunction()

# argent_program(TARGET): a program of the product, in the build tree's root.
function(argent_program NAME)
  set_target_properties(${NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

# argent_install(): what goes into the prefix, besides the headers.
function(argent_install)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Argent)
  set_target_properties(argent_command PROPERTIES
    EXPORT_NAME command INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS argent_library argent_command EXPORT ArgentTargets)
  install(EXPORT ArgentTargets NAMESPACE Argent:: DESTINATION ${package})

  set_target_properties(argent_kc PROPERTIES INSTALL_RPATH "$ORIGIN")
  install(TARGETS argent_kc DESTINATION libexec/argent)
  install(FILES $<TARGET_FILE:argent_halide> DESTINATION libexec/argent)

  configure_package_config_file(cmake/ArgentConfig.cmake.in
    ${PROJECT_BINARY_DIR}/ArgentConfig.cmake INSTALL_DESTINATION ${package})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/ArgentConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/ArgentConfig.cmake
                ${PROJECT_BINARY_DIR}/ArgentConfigVersion.cmake
                ${PROJECT_SOURCE_DIR}/cmake/ArgentAddNetwork.cmake
          DESTINATION ${package})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endfunction()
