# Benchmarks are programs of their own, built on request and never part of a test run.
find_package(benchmark QUIET)
if(benchmark_FOUND)
  add_executable(qloom_kernels_bench EXCLUDE_FROM_ALL benchmarks/kernels_bench.cpp)
  target_link_libraries(qloom_kernels_bench PRIVATE
    qloom::kernels benchmark::benchmark qloom_warnings)
endif()
