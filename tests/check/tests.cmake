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

foreach(case nothing exports_more thread_destructor unique_symbol links_zlib crashes exits
    never_ends writes_after writes_before changes_input rounding_direction flushes_to_zero allocates
    keeps_a_count depends_on_blocks depends_on_threads depends_on_isa depends_on_lowering
    spreads_nan gives_nan encodes_otherwise wide_codes forgets_state trusts_state moves_learned
    wrong_gradient)
  qloom_add_plugin(${case} KIND quantizer SOURCES "${unsound_source}/unsound.cpp"
    MANIFEST "${unsound_source}/unsound.json" OUTPUT_FOLDER "${unsound_plugins}/${case}")
  string(TOUPPER ${case} word)
  target_compile_definitions(qloom_plugin_quantizer_${case} PRIVATE UNSOUND_${word})
  target_link_libraries(qloom_plugin_quantizer_${case} PRIVATE qloom_warnings)
  add_dependencies(check_test qloom_plugin_quantizer_${case})
endforeach()
foreach(case exports_more unique_symbol)  # no version script, and gcc's own kind of symbol
  set_property(TARGET qloom_plugin_quantizer_${case} PROPERTY LINK_OPTIONS "")
endforeach()
set_property(TARGET qloom_plugin_quantizer_unique_symbol PROPERTY COMPILE_OPTIONS
  -ffp-contract=off)
target_link_libraries(qloom_plugin_quantizer_links_zlib PRIVATE ZLIB::ZLIB)

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
