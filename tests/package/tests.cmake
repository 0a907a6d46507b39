target_compile_definitions(package_test PRIVATE
  CMAKE_PROGRAM="${CMAKE_COMMAND}" BUILD_GENERATOR="${CMAKE_GENERATOR}"
  BUILD_CXX="${CMAKE_CXX_COMPILER}" BUILD_C="${CMAKE_C_COMPILER}")
# docs/write-a-plugin.md, done word by word. tests/run.sh runs it before the tests are built, so that it
# stands on what examples/set_up.sh builds.
add_test(NAME page_test COMMAND "${CMAKE_CURRENT_LIST_DIR}/run_page.sh"
  "${PROJECT_SOURCE_DIR}/docs/write-a-plugin.md" "${PROJECT_BINARY_DIR}")
set_tests_properties(page_test PROPERTIES LABELS package TIMEOUT 600)
