# Knows nothing of plugins' loading, JSON or the graph.
set(primitives plain_primitive.cpp)
if(TARGET DNNL::dnnl)
  set(primitives slice_primitive.cpp)
endif()
qloom_add_floor(contraction
  SOURCES byte_products.cpp codes.cpp contraction.cpp contraction_bytes.cpp contraction_exact.cpp
    contraction_real.cpp contraction_state.cpp contraction_wide.cpp modelled.cpp padded_input.cpp
    source.cpp ${primitives}
  LIBRARIES qloom_kernels qloom_tensor qloom_abi)
target_link_libraries(qloom_contraction PRIVATE $<TARGET_NAME_IF_EXISTS:DNNL::dnnl>)
