qloom_add_test(cli_test
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/apply_errors_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/apply_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/commands_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/damaged_files_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/old_names_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/program.cpp
    ${CMAKE_CURRENT_LIST_DIR}/run_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/start_from_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/streams_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/weights_test.cpp
  LIBRARIES qloom_registry qloom_data
  LABELS integration)
add_dependencies(cli_test qloom)
