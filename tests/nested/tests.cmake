# A quantizer that is nothing but the one inside it.
qloom_add_plugin(forward KIND quantizer
  SOURCES "${CMAKE_CURRENT_LIST_DIR}/forward/forward.cpp"
  MANIFEST "${CMAKE_CURRENT_LIST_DIR}/forward/plugin.json"
  OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/nested_plugins")
add_dependencies(nested_test qloom_plugin_quantizer_forward)
