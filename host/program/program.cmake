# Knows integers and files: no method, no network, no float.
qloom_add_floor(program
  SOURCES constants.cpp diff.cpp document.cpp execute.cpp program.cpp ranges.cpp read.cpp structure.cpp write.cpp
  LIBRARIES qloom_registry qloom_data qloom_json qloom_steps qloom_abi qloom_tensor fmt::fmt)
if(TARGET qloom_contraction)  # not where reading alone is built, for fuzzing
  target_sources(qloom_program PRIVATE program/fast/executor.cpp program/fast/map.cpp program/fast/moves.cpp
    program/fast/products.cpp program/fast/scaling.cpp program/fast/search.cpp)
  target_link_libraries(qloom_program PUBLIC qloom_contraction)
endif()
