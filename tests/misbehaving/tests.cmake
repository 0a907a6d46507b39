# A plugin that does one wrong thing in the middle of a run.
qloom_add_test(misbehaving_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/misbehaving_test.cpp ${CMAKE_CURRENT_LIST_DIR}/resume_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/batch_stop_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/../cli/program.cpp
  LIBRARIES qloom_registry qloom_data
  LABELS integration)
qloom_add_plugin(misbehaving KIND quantizer
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/misbehaving.cpp
  MANIFEST ${CMAKE_CURRENT_LIST_DIR}/plugin.json
  OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/misbehaving_plugins")
add_dependencies(misbehaving_test qloom qloom_plugin_quantizer_misbehaving)
