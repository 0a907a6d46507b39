# Benchmarks are programs of their own: built with the tests, so that they go on compiling (20 s of
# one processor), and run by tests/bench.sh alone.
find_package(benchmark QUIET)
if(benchmark_FOUND)
  add_executable(qloom_kernels_bench benchmarks/kernels_bench.cpp)
  target_link_libraries(qloom_kernels_bench PRIVATE
    qloom::kernels benchmark::benchmark qloom_warnings)
endif()

# Rounding outside the fused rules beside a fused one.
add_executable(qloom_rounding_bench benchmarks/rounding_bench.cpp)
target_link_libraries(qloom_rounding_bench PRIVATE qloom::kernels fmt::fmt qloom_warnings)
target_compile_options(qloom_rounding_bench PRIVATE -fno-trapping-math)  # as plugins are

add_library(qloom_bench_stepper STATIC benchmarks/stepper.cpp)
target_link_libraries(qloom_bench_stepper
  PUBLIC qloom_pipeline qloom_network qloom_registry PRIVATE qloom_run qloom_warnings)
add_executable(qloom_training_bench benchmarks/training_bench.cpp)
target_link_libraries(qloom_training_bench PRIVATE
  qloom_bench_stepper OpenMP::OpenMP_CXX CLI11::CLI11 qloom_warnings)

set(programs qloom_training_bench qloom_rounding_bench)
if(benchmark_FOUND)
  list(APPEND programs qloom_kernels_bench)
endif()

# It measures with x86's instructions what the machine can do at all.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  add_executable(qloom_bench_worker
    benchmarks/worker/main.cpp benchmarks/worker/limits.cpp benchmarks/worker/kernels.cpp
    benchmarks/worker/sites.cpp benchmarks/worker/norms.cpp benchmarks/worker/contractions.cpp
    benchmarks/worker/programs.cpp benchmarks/worker/steps.cpp)
  target_link_libraries(qloom_bench_worker PRIVATE
    qloom_bench_stepper qloom_program qloom_kernels $<TARGET_NAME_IF_EXISTS:DNNL::dnnl> OpenMP::OpenMP_CXX qloom_warnings)
  list(APPEND programs qloom_bench_worker)
else()
  message(STATUS "qloom_bench_worker is left out: it is for x86-64")
endif()
add_custom_target(qloom_bench DEPENDS ${programs})

find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME bench_output_test
    COMMAND "${Python3_EXECUTABLE}" -B -m unittest output_test
    WORKING_DIRECTORY ${CMAKE_CURRENT_LIST_DIR})
  set_tests_properties(bench_output_test PROPERTIES LABELS unit TIMEOUT 60)
endif()
