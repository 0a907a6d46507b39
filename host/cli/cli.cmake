# The program. Its source files lie in host/cli; nothing else prints or exits.
add_executable(qloom
  cli/main.cpp cli/apply.cpp cli/apply_given.cpp cli/apply_methods.cpp cli/apply_quantizer.cpp cli/apply_requantizer.cpp cli/compare.cpp cli/early_exit.cpp cli/export.cpp
  cli/json_array.cpp cli/outputs.cpp cli/plugins.cpp cli/plugins_check.cpp
  cli/plugins_new.cpp cli/report.cpp
  cli/program/compile.cpp cli/program/diff.cpp cli/program/execute.cpp cli/program/export_c.cpp
  cli/program/export_verilog.cpp cli/program/folder.cpp cli/program/sides.cpp cli/program/step.cpp
  cli/run.cpp cli/sweep.cpp cli/validate.cpp)
target_include_directories(qloom PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(qloom PRIVATE
  qloom_check qloom_compile qloom_exchange qloom_step_program qloom_program qloom_study qloom_run qloom_results qloom_pipeline qloom_network qloom_registry qloom_data CLI11::CLI11 fmt::fmt
  qloom_warnings)
target_compile_options(qloom PRIVATE ${quick_to_build})
set_target_properties(qloom PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
# Exported, so that a plugin's own tests find the program: $<TARGET_FILE:qloom::qloom>.
install(TARGETS qloom EXPORT qloom_targets RUNTIME DESTINATION bin)
