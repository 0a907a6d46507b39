# What tests/systems.sh compares between systems beside the programs of the host.
add_executable(contraction_sums systems/sums.cpp)
target_link_libraries(contraction_sums PRIVATE
  qloom::contraction qloom::data GTest::gtest OpenMP::OpenMP_CXX qloom_warnings)
target_include_directories(contraction_sums PRIVATE "${PROJECT_SOURCE_DIR}")
target_compile_options(contraction_sums PRIVATE ${quick_to_build})
