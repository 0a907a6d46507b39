# The executor against a second definition in Python's integers, on random programs: 100 in the quick
# tests, 400 more as slow ones.
add_executable(qloom_random_programs program/maker/random_programs.cpp)
target_link_libraries(qloom_random_programs PRIVATE qloom_program_test qloom::data qloom_warnings)
add_dependencies(qloom_sanitized qloom_random_programs)
find_program(QLOOM_PYTHON NAMES python3 REQUIRED)
foreach(part 0:100:unit 100:400:slow)
  string(REPLACE ":" ";" part "${part}")
  list(GET part 0 first)
  list(GET part 1 count)
  list(GET part 2 label)
  add_test(NAME program_interpreter_${count} COMMAND "${QLOOM_PYTHON}" -B
    "${CMAKE_CURRENT_SOURCE_DIR}/program/interpreter.py" "$<TARGET_FILE:qloom_random_programs>" ${first} ${count})
  set_tests_properties(program_interpreter_${count} PROPERTIES LABELS ${label} TIMEOUT 600)
endforeach()

# The fast executor in loops of other instruction sets, and without products of bytes.
set(isas scalar)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND isas avx2)
endif()
foreach(isa IN LISTS isas)
  add_test(NAME program_fast_${isa} COMMAND program_test --gtest_filter=FastExecutor.*)
  set_tests_properties(program_fast_${isa} PROPERTIES LABELS unit TIMEOUT 600
    ENVIRONMENT "QLOOM_ISA=${isa};ONEDNN_MAX_CPU_ISA=AVX2")
endforeach()
