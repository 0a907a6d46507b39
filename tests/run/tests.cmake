qloom_add_test(experiment_test SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/experiment_test.cpp ${CMAKE_CURRENT_LIST_DIR}/stages_test.cpp
  LABELS integration LIBRARIES nlohmann_json::nlohmann_json TIMEOUT 600)
add_dependencies(experiment_test qloom qloom_plugins)
# Settings without effect.
qloom_add_test(warnings_test LABELS integration LIBRARIES qloom_registry qloom_data
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/warnings_test.cpp cli/program.cpp)
add_dependencies(warnings_test qloom qloom_plugins)
