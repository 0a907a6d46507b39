qloom_add_test(network_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/network_test.cpp ${CMAKE_CURRENT_LIST_DIR}/layer_types_test.cpp
  LABELS unit LIBRARIES qloom_network qloom_method_test)
if(TARGET qloom_run)
  qloom_add_test(allocation_test
    SOURCES
      ${CMAKE_CURRENT_LIST_DIR}/allocation_test.cpp
      ${PROJECT_SOURCE_DIR}/tests/support/bench.cpp
    LABELS integration LIBRARIES qloom_run qloom_method_test)
  qloom_add_test(fusion_test
    SOURCES
      ${CMAKE_CURRENT_LIST_DIR}/fusion_test.cpp
      ${PROJECT_SOURCE_DIR}/tests/support/bench.cpp
    LABELS integration LIBRARIES qloom_run qloom_method_test)
endif()
