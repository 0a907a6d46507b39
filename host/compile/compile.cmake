# Knows networks and programs: no run, no file.
qloom_add_floor(compile SOURCES absorb.cpp compile.cpp cost.cpp fit.cpp logits.cpp operands.cpp register.cpp repeatable.cpp route.cpp simulate.cpp summary.cpp tensors.cpp
    training/backward.cpp training/compile_step.cpp training/forward.cpp training/probe.cpp training/stochastic.cpp training/weights.cpp
  LIBRARIES qloom_network qloom_program qloom_step_program)
