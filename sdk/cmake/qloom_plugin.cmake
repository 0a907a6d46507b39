# qloom_add_plugin(<name> KIND <kind> SOURCES <files> [MANIFEST <plugin.json>] [OUTPUT_FOLDER <dir>])
#
# Builds one plugin library from its sources and manifest and lays both side by side in
# <OUTPUT_FOLDER>/<kind>.<name>/ (default: <build>/plugins), where the host finds them:
# QLOOM_PLUGIN_PATH=<OUTPUT_FOLDER>. The manifest is the single source: qloom_manifest.h with its
# texts is generated, for C and C++.

set(qloom_CMAKE_DIR "${CMAKE_CURRENT_LIST_DIR}" CACHE INTERNAL "")

function(qloom_write_manifest_header manifest header)
  file(READ "${manifest}" text)
  string(JSON method_count ERROR_VARIABLE error LENGTH "${text}" methods)
  if(error)
    set(method_count 1)
  endif()
  set(rows "")
  math(EXPR last "${method_count} - 1")
  foreach(i RANGE ${last})
    if(error)
      set(method "${text}")
    else()
      string(JSON method GET "${text}" methods ${i})
    endif()
    string(JSON id GET "${method}" id)
    string(JSON version GET "${method}" version)
    string(REPLACE "\\" "\\\\" method "${method}")
    string(REPLACE "\"" "\\\"" method "${method}")
    string(REPLACE "\n" "\\n\"\n     \"" method "${method}")
    string(APPEND rows "    {\"${id}\", \"${version}\",\n     \"${method}\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT "${header}" @ONLY CONTENT
"/* Generated from plugin.json. */
#ifndef QLOOM_MANIFEST_H
#define QLOOM_MANIFEST_H
static const struct qloom_manifest_row {
  const char *id, *version, *manifest;
} qloom_manifest[] = {
@rows@};
#endif
")
endfunction()

# How C and C++ of a plugin are compiled.
function(qloom_plugin_options target)
  set_target_properties(${target} PROPERTIES
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  # Neither changes a result: products are not fused with sums, and loops with conditions may be
  # vectorized, as nobody reads the floating-point exception flags.
  target_compile_options(${target} PRIVATE
    -ffp-contract=off -fno-trapping-math
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
endfunction()

function(qloom_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "KIND;MANIFEST;OUTPUT_FOLDER" "SOURCES")
  if(NOT arg_KIND)
    message(FATAL_ERROR "qloom_add_plugin(${name}): KIND is missing")
  endif()
  if(NOT arg_MANIFEST)
    set(arg_MANIFEST "${CMAKE_CURRENT_SOURCE_DIR}/plugin.json")
  endif()
  if(NOT arg_OUTPUT_FOLDER)
    set(arg_OUTPUT_FOLDER "${CMAKE_BINARY_DIR}/plugins")
  endif()
  set(target qloom_plugin_${arg_KIND}_${name})
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/${target}_generated")
  set(folder "${arg_OUTPUT_FOLDER}/${arg_KIND}.${name}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${arg_MANIFEST}")
  qloom_write_manifest_header("${arg_MANIFEST}" "${generated}/qloom_manifest.h")
  configure_file("${arg_MANIFEST}" "${folder}/plugin.json" COPYONLY)

  add_library(${target} MODULE ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${generated}")
  target_link_libraries(${target} PRIVATE qloom::sdk)
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME "${arg_KIND}.${name}" PREFIX "" LIBRARY_OUTPUT_DIRECTORY "${folder}")
  qloom_plugin_options(${target})
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(${target} PRIVATE
      "LINKER:--version-script=${qloom_CMAKE_DIR}/only_entry.map"
      $<$<NOT:$<OR:$<BOOL:${QLOOM_SANITIZE}>,$<BOOL:${QLOOM_SANITIZE_THREADS}>>>:LINKER:-z,defs>)
  endif()
endfunction()
