# What the SDK's headers do by themselves, without a plugin around them.
qloom_add_test(sdk_vectorized_test LABELS unit LIBRARIES qloom::registry qloom::sdk
  SOURCES sdk/vectorized_test.cpp)
target_compile_options(sdk_vectorized_test PRIVATE -fno-trapping-math)  # as qloom_add_plugin()
