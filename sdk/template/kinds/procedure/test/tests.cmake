# What the method wrote into the report of the short run. CHANGE: what yours must leave there.
add_test(NAME @ID@.report
  COMMAND ${CMAKE_COMMAND} -D "report=${CMAKE_CURRENT_BINARY_DIR}/run/report.json"
    -P "${CMAKE_CURRENT_SOURCE_DIR}/test/report.cmake")
set_tests_properties(@ID@.report PROPERTIES FIXTURES_REQUIRED @ID@.run)
