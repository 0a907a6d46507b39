target_compile_options(sdk_test PRIVATE -fno-trapping-math)  # as qloom_add_plugin()
# a false alarm of gcc 14 inside xtensor
target_compile_options(sdk_test PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>)
