# Facts to report, without a run.
qloom_add_test(results_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/report_test.cpp
  LABELS unit LIBRARIES qloom_results)
# The pages of results.
qloom_add_test(report_page_test LABELS integration LIBRARIES qloom_registry qloom_data
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/page_test.cpp cli/program.cpp)
# The pages as a browser sees them; without one this test fails and says what to install.
find_program(QLOOM_CHROMIUM NAMES chromium chromium-browser google-chrome)
qloom_add_test(report_browser_test LABELS integration LIBRARIES qloom_registry qloom_data
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/browser_test.cpp cli/program.cpp)
target_compile_definitions(report_browser_test PRIVATE QLOOM_CHROMIUM="${QLOOM_CHROMIUM}")
foreach(test report_page_test report_browser_test)
  add_dependencies(${test} qloom qloom_plugins)
endforeach()
