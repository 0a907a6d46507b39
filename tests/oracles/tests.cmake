# Do the files of expected values hold what their scripts compute? <name>.py compares <name>.json.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  execute_process(COMMAND "${Python3_EXECUTABLE}" -c "import numpy" RESULT_VARIABLE no_numpy
    OUTPUT_QUIET ERROR_QUIET)
  file(GLOB oracles CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/oracles/*.py")
  if(no_numpy EQUAL 0)
    foreach(oracle IN LISTS oracles)
      cmake_path(GET oracle STEM name)
      add_test(NAME oracle_${name} COMMAND "${Python3_EXECUTABLE}" -B "${oracle}")
      set_tests_properties(oracle_${name} PROPERTIES LABELS unit TIMEOUT 600)
    endforeach()
  endif()
endif()

# Requantizers beside runtimes that people deploy with, in an environment of pinned versions that is made
# once (make_venv.sh) and kept.
add_executable(qloom_runtime_maker oracles/runtimes/maker.cpp)
target_link_libraries(qloom_runtime_maker PRIVATE qloom::methods qloom::program qloom::data qloom_warnings)
add_dependencies(qloom_runtime_maker qloom qloom_plugin_requantizer_multiplier
  qloom_plugin_requantizer_float_scale)
foreach(runtime litert onnx_runtime)
  add_test(NAME oracle_runtime_${runtime} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/oracles/make_venv.sh"
    "${CMAKE_CURRENT_SOURCE_DIR}/oracles/runtimes/${runtime}_test.py" "$<TARGET_FILE:qloom_runtime_maker>"
    "$<TARGET_FILE:qloom>")
  set_tests_properties(oracle_runtime_${runtime} PROPERTIES LABELS oracle TIMEOUT 900
    ENVIRONMENT "QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
endforeach()
