# A short run, then what the method wrote into its report. CHANGE: what yours must leave there.
add_test(NAME @ID@.pipeline
  COMMAND $<TARGET_FILE:qloom::qloom> run pipeline.json --output "${CMAKE_CURRENT_BINARY_DIR}/run"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
add_test(NAME @ID@.report
  COMMAND ${CMAKE_COMMAND} -D "report=${CMAKE_CURRENT_BINARY_DIR}/run/report.json"
    -P "${CMAKE_CURRENT_SOURCE_DIR}/test/report.cmake")
set_tests_properties(@ID@.pipeline PROPERTIES
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${CMAKE_BINARY_DIR}/plugins" FIXTURES_SETUP @ID@.run)
set_tests_properties(@ID@.report PROPERTIES FIXTURES_REQUIRED @ID@.run)
# Does the library keep qloom's contract: threads, blocks, instruction sets, state, hard inputs?
add_test(NAME @ID@.check COMMAND $<TARGET_FILE:qloom::qloom> plugins check @KIND@/@ID@
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(@ID@.check PROPERTIES
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${CMAKE_BINARY_DIR}/plugins")
