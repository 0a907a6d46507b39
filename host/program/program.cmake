# Knows integers and files: no method, no network, no float.
qloom_add_floor(program SOURCES diff.cpp execute.cpp program.cpp ranges.cpp structure.cpp
  LIBRARIES qloom_steps qloom_abi qloom_tensor fmt::fmt)
