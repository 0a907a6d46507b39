# Sweeps.
qloom_add_test(sweep_test LABELS integration LIBRARIES qloom_registry qloom_data
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/sweep_test.cpp cli/program.cpp)
add_dependencies(sweep_test qloom qloom_plugins)
