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
