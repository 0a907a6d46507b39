# The layers' arithmetic: knows nothing of plugins' loading, JSON or the graph.
add_library(qloom_contraction STATIC
  ${CMAKE_CURRENT_SOURCE_DIR}/network/byte_codes.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/codes.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/contraction.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/contraction_bytes.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/contraction_exact.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/contraction_real.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/losses.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/modelled.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/ops.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/network/slice_primitive.cpp)
add_library(qloom::contraction ALIAS qloom_contraction)
target_include_directories(qloom_contraction PUBLIC "${PROJECT_SOURCE_DIR}")
target_link_libraries(qloom_contraction PUBLIC qloom_kernels qloom_tensor qloom_abi
  PRIVATE qloom_registry DNNL::dnnl qloom_warnings)
