if(TARGET qloom_run)
  qloom_add_test(sites_test
    SOURCES
      ${CMAKE_CURRENT_LIST_DIR}/sites_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/accumulators_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/finite_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/rules_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/rounding_effect_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/state_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/granularity_test.cpp
      ${CMAKE_CURRENT_LIST_DIR}/procedures_test.cpp
      ${PROJECT_SOURCE_DIR}/tests/support/bench.cpp
    LABELS integration LIBRARIES qloom_run qloom_method_test)
endif()
