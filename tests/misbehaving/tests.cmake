# Plugins that do one wrong thing in the middle of a run.
qloom_add_plugin(misbehaving KIND quantizer
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/plugin/misbehaving.cpp
  MANIFEST ${CMAKE_CURRENT_LIST_DIR}/plugin/plugin.json
  OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/misbehaving_plugins")
qloom_add_plugin(stray_code KIND quantizer
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/stray_code/stray_code.cpp
  MANIFEST ${CMAKE_CURRENT_LIST_DIR}/stray_code/plugin.json
  OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/misbehaving_plugins")
target_include_directories(qloom_plugin_quantizer_misbehaving PRIVATE "${PROJECT_SOURCE_DIR}")
add_dependencies(misbehaving_test qloom_plugin_quantizer_misbehaving
  qloom_plugin_quantizer_stray_code)
