# A type of layer is a file host/layers/<type>.cpp that defines its record k<Type>; the list of the
# records is made here.
file(GLOB files CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/*.cpp")
set(sources "")
set(declarations "")
set(entries "")
foreach(file IN LISTS files)
  cmake_path(GET file STEM type)
  set(record "k")
  string(REPLACE "_" ";" words "${type}")
  foreach(word IN LISTS words)
    string(SUBSTRING "${word}" 0 1 first)
    string(SUBSTRING "${word}" 1 -1 rest)
    string(TOUPPER "${first}" first)
    string(APPEND record "${first}${rest}")
  endforeach()
  list(APPEND sources "${type}.cpp")
  string(APPEND declarations "extern const LayerType ${record};\n")
  string(APPEND entries "&${record}, ")
endforeach()
qloom_add_floor(layers
  SOURCES ${sources} common/elementwise.cpp common/losses.cpp common/pool.cpp common/reader.cpp
    common/rows.cpp common/table.cpp common/window.cpp
  LIBRARIES qloom_contraction qloom_kernels qloom_json qloom_tensor fmt::fmt)
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/layers/table.cpp" CONTENT
"#include \"host/layers/layer.hpp\"

namespace qloom::layers {

@declarations@
std::span<const LayerType* const> table() {
  static constexpr const LayerType* kAll[] = {@entries@};
  return kAll;
}

}  // namespace qloom::layers
" @ONLY)
target_sources(qloom_layers PRIVATE "${CMAKE_CURRENT_BINARY_DIR}/layers/table.cpp")
