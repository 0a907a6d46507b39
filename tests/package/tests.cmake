qloom_add_test(package_test
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/installed.cpp
    ${CMAKE_CURRENT_LIST_DIR}/new_plugin_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/package_test.cpp
  LABELS package LIBRARIES qloom::data TIMEOUT 600)
target_compile_definitions(package_test PRIVATE
  CMAKE_PROGRAM="${CMAKE_COMMAND}" BUILD_GENERATOR="${CMAKE_GENERATOR}"
  BUILD_CXX="${CMAKE_CXX_COMPILER}" BUILD_C="${CMAKE_C_COMPILER}")
