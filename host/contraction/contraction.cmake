# Knows nothing of plugins' loading, JSON or the graph.
qloom_add_floor(contraction
  SOURCES byte_codes.cpp codes.cpp contraction.cpp contraction_bytes.cpp contraction_exact.cpp
    contraction_real.cpp contraction_wide.cpp modelled.cpp slice_primitive.cpp
  LIBRARIES qloom_kernels qloom_tensor qloom_abi)
target_link_libraries(qloom_contraction PRIVATE DNNL::dnnl)
