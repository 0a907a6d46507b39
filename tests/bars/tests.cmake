# End-to-end bars on Fashion-MNIST: one entry per bar of bars.json, label slow, one at a time since
# they share the folder of runs. The pages of docs/methods show the figures.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/bars.json")
set(bars "${Python3_EXECUTABLE}" -B "${CMAKE_CURRENT_LIST_DIR}/bars.py")
file(READ "${CMAKE_CURRENT_LIST_DIR}/bars.json" table)
string(JSON count LENGTH "${table}" bars)
math(EXPR last "${count} - 1")
set(bar_tests bars_valid)
add_test(NAME bars_valid COMMAND ${bars} validate $<TARGET_FILE:qloom>)
foreach(index RANGE ${last})
  string(JSON id GET "${table}" bars ${index} id)
  add_test(NAME bar_${id} COMMAND ${bars} run $<TARGET_FILE:qloom> "${PROJECT_BINARY_DIR}/bars" ${id})
  list(APPEND bar_tests bar_${id})
endforeach()
set_tests_properties(${bar_tests} PROPERTIES LABELS slow TIMEOUT 3600 RESOURCE_LOCK bars
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
add_test(NAME bars_pages_test COMMAND ${bars} check $<TARGET_FILE:qloom>)
set_tests_properties(bars_pages_test PROPERTIES LABELS tree TIMEOUT 600
  ENVIRONMENT "QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
