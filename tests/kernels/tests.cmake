# What the objects built with instruction-set flags may hold: a test looks at them.
if(TARGET qloom_kernels_isa AND CMAKE_NM AND NOT QLOOM_SANITIZE)
  target_compile_definitions(kernels_test PRIVATE QLOOM_NM="${CMAKE_NM}"
    QLOOM_ISA_OBJECTS="$<JOIN:$<TARGET_OBJECTS:qloom_kernels_isa>,|>")
endif()
