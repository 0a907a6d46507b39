# A plugin in several builds, for a run that sees its file change.
function(qloom_add_swapped build)
  qloom_add_plugin(swapped_${build} KIND quantizer
    SOURCES ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/swapped/swapped.cpp
    MANIFEST ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/swapped/plugin.json
    OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/reload_plugins")
  target_compile_definitions(qloom_plugin_quantizer_swapped_${build} PRIVATE ${ARGN})
  add_dependencies(reload_test qloom_plugin_quantizer_swapped_${build})
endfunction()
qloom_add_swapped(half SWAPPED_FACTOR=0.5F)
qloom_add_swapped(quarter SWAPPED_FACTOR=0.25F)
qloom_add_swapped(refuses SWAPPED_FACTOR=0.25F SWAPPED_REFUSES)
qloom_add_swapped(fails SWAPPED_FACTOR=0.25F SWAPPED_FAILS)
qloom_add_swapped(nan "SWAPPED_FACTOR=(0.0F/0.0F)")
qloom_add_swapped(rounds_up SWAPPED_FACTOR=0.25F SWAPPED_ROUNDS_UP)
