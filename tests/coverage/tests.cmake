# docs/coverage.md is what its data, the installed methods and the files that run them say.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME coverage_test
  COMMAND "${Python3_EXECUTABLE}" -B "${CMAKE_CURRENT_LIST_DIR}/coverage.py" check $<TARGET_FILE:qloom>)
set_tests_properties(coverage_test PROPERTIES LABELS tree TIMEOUT 600
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
