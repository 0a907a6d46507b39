# The program. Its source files lie in host/cli; nothing else prints or exits.
add_executable(qloom
  cli/main.cpp cli/apply.cpp cli/apply_methods.cpp cli/compare.cpp cli/outputs.cpp cli/plugins.cpp
  cli/run.cpp cli/validate.cpp)
target_include_directories(qloom PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(qloom PRIVATE
  qloom_experiment qloom_pipeline qloom_network qloom_registry qloom_data CLI11::CLI11 fmt::fmt
  qloom_warnings)
target_compile_definitions(qloom PRIVATE QLOOM_VERSION="${PROJECT_VERSION}")
set_target_properties(qloom PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
install(TARGETS qloom RUNTIME DESTINATION bin)
