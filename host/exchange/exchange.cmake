# A program in the forms that other tools take. Knows the integer program and files; nothing of networks.
qloom_add_floor(exchange
  SOURCES c/arena.cpp c/calls/calls.cpp c/contraction.cpp c/elementwise.cpp c/fusion.cpp c/harness.cpp c/helpers.cpp c/interface.cpp
    c/ops.cpp c/pool.cpp c/source.cpp c/steps.cpp c/trace.cpp c/types.cpp c/weights.cpp c/window.cpp
    c/training/step_c.cpp c/training/step_harness.cpp c/training/step_ops.cpp c/training/step_plan.cpp c/training/step_products.cpp c/training/step_random.cpp
    verilog/budget.cpp verilog/folder.cpp verilog/layer.cpp verilog/network.cpp
    verilog/parameters.cpp verilog/requantize.cpp verilog/step.cpp verilog/trace.cpp verilog/words.cpp verilog/wrapper.cpp
  LIBRARIES qloom_step_program qloom_program qloom_data fmt::fmt)
include("${CMAKE_CURRENT_LIST_DIR}/c/calls/calls.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/verilog/verilog.cmake")
