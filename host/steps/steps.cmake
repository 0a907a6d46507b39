# Integers alone: knows nothing of tensors, JSON or plugins.
qloom_add_floor(steps SOURCES block.cpp proof.cpp step.cpp LIBRARIES qloom_tensor fmt::fmt)
