qloom_add_floor(layers
  SOURCES losses.cpp ops.cpp
  LIBRARIES qloom_contraction qloom_kernels qloom_tensor fmt::fmt)
