# What a site is; and apart from it the node that quantizes there, which needs the contractions'
# operands: who reads pipelines alone does not link oneDNN.
qloom_add_floor(sites SOURCES site.cpp parts.cpp LIBRARIES qloom_methods qloom_registry qloom_tensor qloom_abi fmt::fmt)
add_library(qloom_quantize_node STATIC
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/coding.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/quantizer_spec.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/site_encoding.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/site_execution.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/site_grid.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/site_quantizer.cpp
  ${CMAKE_CURRENT_SOURCE_DIR}/sites/site_state.cpp)
target_link_libraries(qloom_quantize_node PUBLIC qloom_sites qloom_contraction qloom_methods qloom_registry
  qloom_kernels qloom_data qloom_tensor PRIVATE fmt::fmt qloom_warnings)
target_precompile_headers(qloom_quantize_node REUSE_FROM qloom_host_headers)
