# Knows integers and files: no method, no network, no float.
qloom_add_floor(program
  SOURCES constants.cpp diff.cpp execute.cpp fast/executor.cpp fast/map.cpp fast/moves.cpp fast/products.cpp
    fast/scaling.cpp fast/search.cpp program.cpp ranges.cpp read.cpp structure.cpp write.cpp
  LIBRARIES qloom_contraction qloom_registry qloom_data qloom_json qloom_steps qloom_abi qloom_tensor fmt::fmt)
