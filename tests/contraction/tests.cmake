qloom_add_test(qloom_contraction_test
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/byte_contraction_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/contraction_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/exact_contraction_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/modelled_contraction_test.cpp
  LABELS unit LIBRARIES qloom::contraction)
# Once more as on a processor without exact products of bytes.
add_test(NAME qloom_contraction_without_bytes_test COMMAND qloom_contraction_test)
set_tests_properties(qloom_contraction_without_bytes_test PROPERTIES LABELS unit TIMEOUT 300
  ENVIRONMENT ONEDNN_MAX_CPU_ISA=AVX512_CORE)
