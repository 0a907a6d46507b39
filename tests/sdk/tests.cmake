target_compile_options(sdk_test PRIVATE -fno-trapping-math)  # as qloom_add_plugin()
