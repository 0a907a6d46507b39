# The compute core: every instruction set against the definitions and the handbook's oracles.
qloom_add_test(kernels_test LABELS unit reference LIBRARIES qloom::kernels
  SOURCES kernels/accumulate_integer_test.cpp kernels/accumulate_test.cpp
    kernels/affine_test.cpp kernels/extremes_test.cpp kernels/minifloat_test.cpp
    kernels/order_statistics_test.cpp
    kernels/overflow_test.cpp kernels/random_test.cpp kernels/round_test.cpp
    kernels/statistics_test.cpp kernels/stochastic_test.cpp)

# In a program of its own: its children choose an instruction set, which a process does once.
qloom_add_test(kernels_dispatch_test LABELS unit LIBRARIES qloom::kernels
  SOURCES kernels/dispatch_test.cpp)
if(TARGET qloom_kernels_isa AND CMAKE_NM AND NOT QLOOM_SANITIZE)
  target_compile_definitions(kernels_dispatch_test PRIVATE QLOOM_NM="${CMAKE_NM}"
    QLOOM_ISA_OBJECTS="$<JOIN:$<TARGET_OBJECTS:qloom_kernels_isa>,|>")
endif()
