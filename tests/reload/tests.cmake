# A plugin in several builds, for a run that sees its file change.
if(TARGET qloom_run)
  qloom_add_test(reload_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/reload_test.cpp
    LABELS integration LIBRARIES qloom_run)
  add_dependencies(reload_test qloom_plugins)
  foreach(build half quarter refuses fails nan rounds_up)
    qloom_add_plugin(swapped_${build} KIND quantizer
      SOURCES ${CMAKE_CURRENT_LIST_DIR}/swapped/swapped.cpp
      MANIFEST ${CMAKE_CURRENT_LIST_DIR}/swapped/plugin.json
      OUTPUT_FOLDER "${PROJECT_BINARY_DIR}/tests/reload_plugins")
    add_dependencies(reload_test qloom_plugin_quantizer_swapped_${build})
  endforeach()
  target_compile_definitions(qloom_plugin_quantizer_swapped_half PRIVATE SWAPPED_FACTOR=0.5F)
  target_compile_definitions(qloom_plugin_quantizer_swapped_quarter PRIVATE SWAPPED_FACTOR=0.25F)
  target_compile_definitions(qloom_plugin_quantizer_swapped_refuses PRIVATE
    SWAPPED_FACTOR=0.25F SWAPPED_REFUSES)
  target_compile_definitions(qloom_plugin_quantizer_swapped_fails PRIVATE
    SWAPPED_FACTOR=0.25F SWAPPED_FAILS)
  target_compile_definitions(qloom_plugin_quantizer_swapped_nan PRIVATE
    "SWAPPED_FACTOR=(0.0F/0.0F)")
  target_compile_definitions(qloom_plugin_quantizer_swapped_rounds_up PRIVATE
    SWAPPED_FACTOR=0.25F SWAPPED_ROUNDS_UP)
endif()
