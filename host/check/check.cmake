# What a plugin must hold, and the program that says whether it does.
qloom_add_floor(check
  SOURCES cases.cpp command.cpp context.cpp report.cpp run.cpp
    checks/bounds_checks.cpp checks/checks.cpp checks/gradient_checks.cpp checks/kind_checks.cpp
    checks/library_checks.cpp checks/memory_checks.cpp checks/method_checks.cpp
    checks/norm_checks.cpp checks/process_checks.cpp checks/quantizer_checks.cpp
    checks/race_checks.cpp checks/random_checks.cpp checks/range_checks.cpp checks/requantizer_checks.cpp
    checks/state_checks.cpp
    kinds/groups.cpp kinds/kinds.cpp kinds/procedure.cpp kinds/quantizer.cpp kinds/record.cpp
    kinds/requantizer.cpp
    kinds/small_run.cpp kinds/surrogate.cpp
    watch/child.cpp watch/guarded.cpp watch/memory.cpp watch/threads_made.cpp
  LIBRARIES qloom_network qloom_methods qloom_registry qloom_kernels qloom_data qloom_tensor fmt::fmt
    CLI11::CLI11)
target_link_libraries(qloom_check PRIVATE ${CMAKE_DL_LIBS})

add_executable(qloom-check check/main.cpp)
target_link_libraries(qloom-check PRIVATE qloom_check qloom_warnings)
target_compile_options(qloom-check PRIVATE ${quick_to_build})
set_target_properties(qloom-check PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
# Exported, so that a plugin's own tests find it: $<TARGET_FILE:qloom::qloom-check>.
install(TARGETS qloom-check EXPORT qloom_targets RUNTIME DESTINATION bin)
