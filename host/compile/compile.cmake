# Knows networks and programs: no run, no file.
qloom_add_floor(compile SOURCES routes/absorb.cpp codes.cpp compile.cpp contractions.cpp cost.cpp draft.cpp routes/fit.cpp routes/logits.cpp operands.cpp register.cpp repeatable.cpp routes/route.cpp simulate.cpp summary.cpp tensors.cpp
    training/backward.cpp training/compile_step.cpp training/forward.cpp training/probe.cpp training/stochastic.cpp training/weights.cpp
  LIBRARIES qloom_network qloom_program qloom_step_program)
