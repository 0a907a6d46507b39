qloom_add_test(qloom_layers_test
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/activation_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/loss_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/pool_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/pointwise_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/table_test.cpp
  LABELS unit LIBRARIES qloom::layers)
