# The conformance checker: it finds every fault of the unsound plugins, and none in the tree's. The
# unsound ones corrupt memory on purpose: no label of the sanitized tests.
set(unsound_plugins "${PROJECT_BINARY_DIR}/tests/unsound_plugins")
set(unsound_source "${PROJECT_SOURCE_DIR}/tests/abi/hostile")

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
  learns_in_evaluation ignores_step encodes_by_group_0 tells_group_0 claims_one_bit
  widths_beyond_bits tells_many_groups tells_no_grid tells_99_bits tells_scale_of_nan adds_to_y keeps_pointer
  sums_by_tensor assigns_sums wrong_in_channels rounds_late rounds_in_parallel rounds_on_workers
  counts_calls races_in_instance races_in_library sound)
qloom_add_faults(codebook quantizer unsound_codebook passes_through sign_of_low tells_other_values
  tells_other_bases forgets_low sound)
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
qloom_add_faults(requantizer requantizer unsound_requantizer prints_output far_codes keeps_a_count
  wide_codes frees_constants null_constants too_many_steps leaves_64_bits sound)
qloom_add_faults(procedure procedure unsound_procedure prints_output starts_thread forks leaks
  rounds_late writes_outside keeps_a_count gives_nan forgets_state sound)

# Every plugin of the tree, at the strictest level. Sanitized programs take their time: they look
# for what sanitizers see; the bits are the same as without.
set(tree_check --strict)
if(QLOOM_SANITIZE)
  set(tree_check --only creation,bounds,wrong_state,state,answers,codes,non_finite,learned,sums)
elseif(QLOOM_SANITIZE_THREADS)
  set(tree_check --only creation,races,threads)
endif()
file(GLOB manifests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/plugins/*/*/plugin.json")
set(plugin_folders "")
foreach(manifest IN LISTS manifests)
  string(REGEX REPLACE ".*/([a-z]+[a-z])/([^/]+)/plugin.json$" "\\1;\\2" parts "${manifest}")
  list(GET parts 0 kinds)
  list(GET parts 1 method)
  if(kinds STREQUAL "recipes")  # without a library
    continue()
  endif()
  string(REGEX REPLACE "s$" "" kind "${kinds}")
  list(APPEND plugin_folders "${PROJECT_BINARY_DIR}/plugins/${kind}.${method}")
endforeach()
add_test(NAME check_plugins COMMAND qloom-check ${tree_check} ${plugin_folders})
set_tests_properties(check_plugins PROPERTIES LABELS conformance TIMEOUT 900 COST 20)
add_dependencies(qloom_sanitized qloom-check)

# Preset tsan: the thread sanitizer sees what the checks cannot. races: calls on std::thread; threads:
# calls on OpenMP's. counts_calls races without changing a result.
if(QLOOM_SANITIZE_THREADS)
  add_dependencies(qloom_sanitized qloom_plugin_quantizer_unsound_quantizer)
  set(fault_folder "${unsound_plugins}/quantizer/quantizer")
  add_test(NAME races_of_sound COMMAND qloom-check --only races,threads "${fault_folder}.sound")
  set(tests races_of_sound)
  foreach(fault counts_calls races_in_instance races_in_library)
    foreach(check races threads)
      add_test(NAME ${check}_of_${fault}
        COMMAND qloom-check --only ${check} "${fault_folder}.${fault}")
      set_tests_properties(${check}_of_${fault} PROPERTIES
        PASS_REGULAR_EXPRESSION "ThreadSanitizer: data race")
      list(APPEND tests ${check}_of_${fault})
    endforeach()
  endforeach()
  # one at a time: a race is seen where two threads meet in it
  set_tests_properties(${tests} PROPERTIES LABELS races TIMEOUT 900 RUN_SERIAL TRUE)
endif()
