# The conformance checker: it finds every fault of the unsound plugins, and none in the tree's. The
# unsound ones corrupt memory on purpose: no label of the sanitized tests.
set(unsound_plugins "${PROJECT_BINARY_DIR}/tests/unsound_plugins")
set(unsound_source "${PROJECT_SOURCE_DIR}/tests/abi/hostile")

qloom_add_test(check_test LABELS integration TIMEOUT 900 LIBRARIES qloom::check
  SOURCES check/check_test.cpp)
target_compile_definitions(check_test PRIVATE QLOOM_UNSOUND_PLUGINS="${unsound_plugins}"
  QLOOM_ABI_PLUGINS="${PROJECT_BINARY_DIR}/tests/abi_plugins"
  QLOOM_CHECK_PROGRAM="$<TARGET_FILE:qloom-check>")
add_dependencies(check_test qloom-check abi_test)

# Faults of the library itself, each compiled or linked in its own way.
foreach(case exports_more thread_destructor unique_symbol links_zlib)
  qloom_add_plugin(${case} KIND quantizer SOURCES "${unsound_source}/unsound.cpp"
    MANIFEST "${unsound_source}/unsound.json" OUTPUT_FOLDER "${unsound_plugins}/${case}")
  string(TOUPPER ${case} word)
  target_compile_definitions(qloom_plugin_quantizer_${case} PRIVATE UNSOUND_${word})
  target_link_libraries(qloom_plugin_quantizer_${case} PRIVATE qloom_warnings ${CMAKE_DL_LIBS})
  target_include_directories(qloom_plugin_quantizer_${case} PRIVATE "${unsound_source}")
  add_dependencies(check_test qloom_plugin_quantizer_${case})
endforeach()
foreach(case exports_more unique_symbol)  # no version script, and gcc's own kind of symbol
  set_property(TARGET qloom_plugin_quantizer_${case} PROPERTY LINK_OPTIONS "")
endforeach()
set_property(TARGET qloom_plugin_quantizer_unique_symbol PROPERTY COMPILE_OPTIONS
  -ffp-contract=off)
target_link_libraries(qloom_plugin_quantizer_links_zlib PRIVATE ZLIB::ZLIB)

# Faults that a library chooses by the name of its file: one library of a kind, and a copy for each.
# <group>/<kind>.<fault>/ below the unsound plugins.
function(qloom_add_faults group kind source)
  qloom_add_plugin(unsound_${group} KIND ${kind} SOURCES "${unsound_source}/${source}.cpp"
    MANIFEST "${unsound_source}/${source}.json" OUTPUT_FOLDER "${unsound_plugins}/built")
  set(target qloom_plugin_${kind}_unsound_${group})
  target_link_libraries(${target} PRIVATE qloom_warnings ${CMAKE_DL_LIBS})
  target_include_directories(${target} PRIVATE "${unsound_source}")
  add_custom_command(TARGET ${target} POST_BUILD COMMAND ${CMAKE_COMMAND}
    "-DLIBRARY=$<TARGET_FILE:${target}>" "-DMANIFEST=${unsound_source}/${source}.json"
    "-DFOLDER=${unsound_plugins}/${group}" "-DKIND=${kind}" "-DFAULTS=${ARGN}"
    -P "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/copy_faults.cmake" VERBATIM)
  add_dependencies(check_test ${target})
endfunction()
set(process_faults prints_output prints_errors closes_output closes_all opens_files starts_thread
  catches_signals sets_locale changes_folder forks)
qloom_add_faults(quantizer quantizer unsound ${process_faults} crashes exits never_ends
  writes_after writes_before changes_input rounding_direction flushes_to_zero allocates
  keeps_a_count depends_on_blocks depends_on_threads depends_on_isa depends_on_lowering
  spreads_nan gives_nan encodes_otherwise wide_codes forgets_state trusts_state moves_learned
  wrong_gradient sleeps saves_first_scale
  saves_one_group keeps_what_it_has changed_by_saving leaks_in_prepare leaks_in_destroy
  learns_in_evaluation ignores_step encodes_by_group_0 tells_group_0 adds_to_y keeps_pointer
  sums_by_tensor assigns_sums wrong_in_channels rounds_late rounds_in_parallel rounds_on_workers
  counts_calls races_in_instance races_in_library sound)
qloom_add_faults(codebook quantizer unsound_codebook passes_through sign_of_low tells_other_values
  forgets_low sound)
qloom_add_faults(rounding rounding unsound_rounding starts_thread counts_calls rounds_late
  clears_first races_in_library lowers_wrongly ignores_seed ignores_stream ignores_step
  counts_from_zero draws_anyway casts_to_int sound)
qloom_add_faults(range range unsound_range prints_output leaks_in_begin looks_at_group_0
  looks_at_all_groups keeps_pointer other_extremes rounds_late widens_when_asked saves_one_group
  forgets_the_end sound)
qloom_add_faults(norm norm unsound_norm prints_errors leaks_in_prepare keeps_pointer
  learns_when_frozen ignores_momentum rounds_on_workers rounds_late races_in_library
  races_in_instance assigns_sums saves_last_mean needs_gamma sound)
qloom_add_faults(accumulator accumulator unsound_accumulator opens_files counts_calls rounds_late
  adds_to_c assigns_overflows changes_operand races_in_library races_in_instance ignores_stream
  ignores_pitch ignores_place claims_exactness sound)
qloom_add_faults(procedure procedure unsound_procedure prints_output starts_thread forks leaks
  rounds_late writes_outside keeps_a_count gives_nan forgets_state sound)

# Every plugin of the tree, at the strictest level. Sanitized programs take their time: they look
# for what sanitizers see; the bits are the same as without.
set(tree_check --strict)
if(QLOOM_SANITIZE)
  set(tree_check --only creation,bounds,wrong_state,state,answers,codes,non_finite,learned,sums)
endif()
file(GLOB manifests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/plugins/*/*/plugin.json")
set(plugin_folders "")
foreach(manifest IN LISTS manifests)
  string(REGEX REPLACE ".*/([a-z]+[a-z])/([^/]+)/plugin.json$" "\\1;\\2" parts "${manifest}")
  list(GET parts 0 kinds)
  list(GET parts 1 method)
  string(REGEX REPLACE "s$" "" kind "${kinds}")
  list(APPEND plugin_folders "${PROJECT_BINARY_DIR}/plugins/${kind}.${method}")
endforeach()
add_test(NAME check_plugins COMMAND qloom-check ${tree_check} ${plugin_folders})
set_tests_properties(check_plugins PROPERTIES LABELS conformance TIMEOUT 900)
add_dependencies(qloom_sanitized qloom-check)

# Preset tsan: cmake --preset tsan, cmake --build --preset tsan, ctest --preset tsan. The checks make
# their calls on std::thread, which the thread sanitizer of gcc understands (it does not know the
# barriers of OpenMP). counts_calls races without changing a result: only the sanitizer sees it.
if(QLOOM_SANITIZE_THREADS)
  add_custom_target(qloom_race_checked)
  add_dependencies(qloom_race_checked qloom-check qloom_plugins
    qloom_plugin_quantizer_unsound_quantizer)
  add_test(NAME races_of_plugins COMMAND qloom-check --only creation,races ${plugin_folders})
  add_test(NAME races_of_sound COMMAND qloom-check --only races
    "${unsound_plugins}/quantizer/quantizer.sound")
  set_tests_properties(races_of_plugins races_of_sound PROPERTIES LABELS "races;slow" TIMEOUT 1800)
  foreach(fault counts_calls races_in_instance races_in_library)
    add_test(NAME races_of_${fault} COMMAND qloom-check --only races
      "${unsound_plugins}/quantizer/quantizer.${fault}")
    set_tests_properties(races_of_${fault} PROPERTIES LABELS "races;slow"
      PASS_REGULAR_EXPRESSION "ThreadSanitizer: data race")
  endforeach()
endif()
