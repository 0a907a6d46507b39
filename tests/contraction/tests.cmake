# Once more as on a processor without exact products of bytes.
add_test(NAME contraction_without_bytes_test COMMAND contraction_test)
set_tests_properties(contraction_without_bytes_test PROPERTIES LABELS unit TIMEOUT 600
  ENVIRONMENT ONEDNN_MAX_CPU_ISA=AVX512_CORE)
