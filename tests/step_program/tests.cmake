# The executor against a second definition in Python's integers, on random step programs, three steps each:
# 12 in the quick tests, 100 more as slow ones.
add_executable(qloom_random_steps step_program/maker/random_steps.cpp)
target_link_libraries(qloom_random_steps PRIVATE qloom_step_test qloom::data qloom_warnings)
add_dependencies(qloom_sanitized qloom_random_steps)
foreach(part 0:12:unit 12:100:slow)
  string(REPLACE ":" ";" part "${part}")
  list(GET part 0 first)
  list(GET part 1 count)
  list(GET part 2 label)
  add_test(NAME step_interpreter_${count} COMMAND "${QLOOM_PYTHON}" -B
    "${CMAKE_CURRENT_SOURCE_DIR}/step_program/step_interpreter.py" "$<TARGET_FILE:qloom_random_steps>" ${first} ${count} 3)
  set_tests_properties(step_interpreter_${count} PROPERTIES LABELS ${label} TIMEOUT 600)
endforeach()
