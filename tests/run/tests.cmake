# A procedure that tells in which order events come.
qloom_add_plugin(event_log KIND procedure
  SOURCES "${CMAKE_CURRENT_LIST_DIR}/event_log/event_log.cpp"
  MANIFEST "${CMAKE_CURRENT_LIST_DIR}/event_log/plugin.json"
  OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/run_plugins")
add_dependencies(run_test qloom_plugin_procedure_event_log)
