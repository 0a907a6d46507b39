# Requantizers against a second definition in Python's integers, on random tasks.
add_executable(qloom_requantizer_samples methods/maker/requantizer_samples.cpp)
target_link_libraries(qloom_requantizer_samples PRIVATE qloom_method_test fmt::fmt qloom_warnings)
target_include_directories(qloom_requantizer_samples PRIVATE "${PROJECT_SOURCE_DIR}")
add_dependencies(qloom_sanitized qloom_requantizer_samples)
find_program(QLOOM_PYTHON NAMES python3 REQUIRED)
foreach(part 0:20:unit 1000:1500:slow)
  string(REPLACE ":" ";" part "${part}")
  list(GET part 0 first)
  list(GET part 1 count)
  list(GET part 2 label)
  add_test(NAME requantizer_oracle_${count} COMMAND "${QLOOM_PYTHON}" -B
    "${CMAKE_CURRENT_SOURCE_DIR}/methods/requantizer_oracle.py" "$<TARGET_FILE:qloom_requantizer_samples>" ${first} ${count})
  set_tests_properties(requantizer_oracle_${count} PROPERTIES LABELS ${label} TIMEOUT 600
    ENVIRONMENT "QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
endforeach()
