# What every method must hold, whatever it computes; methods are found as a user's are.
if(TARGET qloom_method_test)
  qloom_add_test(conformance_test LABELS conformance TIMEOUT 900 LIBRARIES qloom_method_test
    SOURCES conformance/accumulator_test.cpp conformance/cases.cpp conformance/method_test.cpp
      conformance/norm_test.cpp conformance/quantizer_test.cpp conformance/range_test.cpp
      conformance/rounding_test.cpp)

  # The same bits on every instruction set.
  add_executable(conformance_digest conformance/cases.cpp conformance/digest.cpp)
  target_link_libraries(conformance_digest PRIVATE qloom_method_test qloom_warnings)
  add_test(NAME conformance_isa COMMAND ${CMAKE_COMMAND}
    "-DPROGRAM=$<TARGET_FILE:conformance_digest>" -P
    "${CMAKE_CURRENT_LIST_DIR}/compare_digests.cmake")
  set_tests_properties(conformance_isa PROPERTIES LABELS conformance TIMEOUT 600
    ENVIRONMENT "QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
endif()
