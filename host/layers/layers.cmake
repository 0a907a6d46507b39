# A type of layer is a file host/layers/<type>.cpp that defines its record k<Type>.
include("${CMAKE_CURRENT_LIST_DIR}/../table.cmake")
qloom_add_floor(layers
  SOURCES common/elementwise.cpp common/losses.cpp common/pool.cpp common/reader.cpp
    common/rows.cpp common/table.cpp common/window.cpp
  LIBRARIES qloom_contraction qloom_kernels qloom_json qloom_tensor fmt::fmt)
qloom_add_table(layers layers host/layers/layer.hpp qloom::layers LayerType)
