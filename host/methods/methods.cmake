qloom_add_floor(methods
  SOURCES accumulator.cpp driver.cpp encoding.cpp encoding_fault.cpp geometry.cpp method.cpp norm.cpp procedure.cpp quantizer.cpp range.cpp
    requantizer.cpp rounding.cpp
  LIBRARIES qloom_registry qloom_kernels qloom_data qloom_json qloom_steps qloom_tensor qloom_abi)
target_link_libraries(qloom_methods PRIVATE fmt::fmt)
