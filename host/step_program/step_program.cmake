# Knows integers and files: no method, no network, no float.
qloom_add_floor(step_program
  SOURCES builder.cpp execute.cpp numbers.cpp ranges.cpp read.cpp step_program.cpp structure.cpp tensors.cpp write.cpp
  LIBRARIES qloom_program qloom_registry qloom_data qloom_json qloom_steps qloom_tensor fmt::fmt)
