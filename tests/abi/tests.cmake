# The binary contract: the header alone, broken plugins, a method in C, what the plugins export.
set(abi_folder "${CMAKE_CURRENT_LIST_DIR}")
set(abi_plugins "${PROJECT_BINARY_DIR}/tests/abi_plugins")

# abi.h on its own, with the strictest warnings; "accepted" targets compile, newer ones do not.
function(qloom_add_header_test name expected)
  add_test(NAME abi_header_${name} COMMAND ${ARGN}
    -Wall -Wextra -Wpedantic -Wpadded -Werror "-I${PROJECT_SOURCE_DIR}/sdk/include"
    -c -o /dev/null "${abi_folder}/header_alone.c")
  set_tests_properties(abi_header_${name} PROPERTIES LABELS abi)
  if(NOT expected STREQUAL "accepted")
    set_tests_properties(abi_header_${name} PROPERTIES PASS_REGULAR_EXPRESSION "${expected}")
  endif()
endfunction()
foreach(standard c99 c11 c17)
  qloom_add_header_test(${standard} accepted
    ${CMAKE_C_COMPILER} -x c -std=${standard} -Wc++-compat)
endforeach()
qloom_add_header_test(c++20 accepted ${CMAKE_CXX_COMPILER} -x c++ -std=c++20)
qloom_add_header_test(target_0 accepted
  ${CMAKE_C_COMPILER} -x c -std=c99 -Wc++-compat -DQLOOM_ABI_TARGET=0u)
qloom_add_header_test(target_newer "QLOOM_ABI_TARGET is newer than this header"
  ${CMAKE_C_COMPILER} -x c -std=c99 -Wc++-compat -DQLOOM_ABI_TARGET=1u)
# The test of the tests: padding must be seen.
qloom_add_header_test(sees_padding "-Werror[=,].*padded"
  ${CMAKE_C_COMPILER} -x c -std=c99 -Wc++-compat -DQLOOM_TEST_PADDED)

# One broken plugin per case of hostile.c; each in a folder of its own.
function(qloom_add_hostile case)
  qloom_add_plugin(${case} KIND range SOURCES "${abi_folder}/hostile/hostile.c"
    MANIFEST "${abi_folder}/hostile/plugin.json" OUTPUT_FOLDER "${abi_plugins}/${case}")
  string(TOUPPER ${case} word)
  target_compile_definitions(qloom_plugin_range_${case} PRIVATE HOSTILE_${word} ${ARGN})
  target_link_libraries(qloom_plugin_range_${case} PRIVATE qloom_warnings)
  add_dependencies(abi_test qloom_plugin_range_${case})
endfunction()

target_compile_definitions(abi_test PRIVATE QLOOM_ABI_PLUGINS="${abi_plugins}")
foreach(case sound wrong_magic wrong_major newer_target other_hash truncated_entry missing_count
    no_descriptor truncated_descriptor missing_create other_id id_with_garbage other_kind
    other_version other_manifest manifest_key_twice more_methods init_fails init_rounding create_rounding
    truncated_base missing_destroy save_only truncated_table missing_observe no_passes no_self
    create_refuses create_fails sets_ftz)
  qloom_add_hostile(${case})
endforeach()
foreach(case no_entry next_major)
  qloom_add_hostile(${case})
  set_property(TARGET qloom_plugin_range_${case} PROPERTY LINK_OPTIONS "")  # no version script
endforeach()

# A class whose constructor or function throws: nothing may leave the library.
foreach(case throws_error throws_number throws_later)
  string(TOUPPER ${case} word)
  qloom_add_plugin(${case} KIND range SOURCES "${abi_folder}/hostile/throwing.cpp"
    MANIFEST "${abi_folder}/hostile/plugin.json" OUTPUT_FOLDER "${abi_plugins}/${case}")
  target_compile_definitions(qloom_plugin_range_${case} PRIVATE HOSTILE_${word})
  target_link_libraries(qloom_plugin_range_${case} PRIVATE qloom_warnings)
  add_dependencies(abi_test qloom_plugin_range_${case})
endforeach()

# A method in plain C.
qloom_add_plugin(scaled_abs_max KIND range SOURCES "${abi_folder}/pure_c/scaled_abs_max.c"
  MANIFEST "${abi_folder}/pure_c/plugin.json" OUTPUT_FOLDER "${abi_plugins}/pure_c")
target_link_libraries(qloom_plugin_range_scaled_abs_max PRIVATE qloom_warnings)
add_dependencies(abi_test qloom_plugin_range_scaled_abs_max)
if(NOT QLOOM_SANITIZE)  # instrumented code imports the sanitizer's functions
  add_test(NAME abi_pure_c_imports COMMAND ${CMAKE_COMMAND} "-DNM=${CMAKE_NM}"
    "-DLIBRARIES=$<TARGET_FILE:qloom_plugin_range_scaled_abs_max>" -DONLY_LIBC=ON
    -P "${abi_folder}/check_symbols.cmake")
  add_test(NAME abi_exports COMMAND ${CMAKE_COMMAND} "-DNM=${CMAKE_NM}"
    "-DFOLDER=${PROJECT_BINARY_DIR}/plugins" -P "${abi_folder}/check_symbols.cmake")
  set_tests_properties(abi_pure_c_imports abi_exports PROPERTIES LABELS abi)
endif()
