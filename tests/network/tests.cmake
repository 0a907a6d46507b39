qloom_add_test(network_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/network_test.cpp
  LABELS unit LIBRARIES qloom_network qloom_method_test)
