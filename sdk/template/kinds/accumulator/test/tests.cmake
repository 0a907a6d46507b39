# One test a case; qloom plugins show @ID@ gives the formula, expected.json what it makes of
# input.json, worked out by hand. CHANGE: cases that show your method's own behaviour.
#   0.3 is cut to 0; 3 + 3 saturates at 3.5
add_test(NAME @ID@.numbers
  COMMAND $<TARGET_FILE:qloom::qloom> apply test/rule.json --input test/input.json
    --expect test/expected.json --tolerance 1e-6 --weight test/weight.json
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
set_tests_properties(@ID@.numbers PROPERTIES
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${CMAKE_BINARY_DIR}/plugins")
