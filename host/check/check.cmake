# What a plugin must hold, and the program that says whether it does.
qloom_add_floor(check
  SOURCES bounds_checks.cpp cases.cpp checks.cpp child.cpp command.cpp context.cpp
    gradient_checks.cpp guarded.cpp kind_checks.cpp kinds.cpp library_checks.cpp memory.cpp
    memory_checks.cpp method_checks.cpp norm_checks.cpp procedure.cpp process_checks.cpp
    quantizer.cpp quantizer_checks.cpp race_checks.cpp random_checks.cpp range_checks.cpp
    record.cpp report.cpp run.cpp state_checks.cpp surrogate.cpp threads_made.cpp
  LIBRARIES qloom_network qloom_registry qloom_kernels qloom_data qloom_tensor fmt::fmt
    CLI11::CLI11)
target_link_libraries(qloom_check PRIVATE ${CMAKE_DL_LIBS})

add_executable(qloom-check check/main.cpp)
target_link_libraries(qloom-check PRIVATE qloom_check qloom_warnings)
set_target_properties(qloom-check PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}")
# Exported, so that a plugin's own tests find it: $<TARGET_FILE:qloom::qloom-check>.
install(TARGETS qloom-check EXPORT qloom_targets RUNTIME DESTINATION bin)
