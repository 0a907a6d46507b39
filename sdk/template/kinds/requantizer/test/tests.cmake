# One test a case; qloom plugins show @ID@ gives the formula, expected.json what it makes of the sums
# in input.json, worked out by hand. CHANGE: cases that show your method's own behaviour.
#   q = 2, b = 8: v = -30 gives (-60 + 8) / 16 = -3.25, -3, code 0; v = -20 gives -2, code 1;
#   v = 8 gives 1.5, 2, code 5
add_test(NAME @ID@.numbers
  COMMAND $<TARGET_FILE:qloom::qloom> apply test/rule.json --input test/input.json
    --expect test/expected.json --given test/given.json
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(@ID@.numbers PROPERTIES
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${CMAKE_BINARY_DIR}/plugins")
