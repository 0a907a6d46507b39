qloom_add_floor(network
  SOURCES graph.cpp groups.cpp model.cpp network.cpp norm_layer.cpp norms.cpp parameter.cpp
    parameters.cpp plan/accumulators.cpp plan/codes.cpp plan/contraction_node.cpp plan/execution.cpp
    plan/gradients.cpp plan/lowering.cpp plan/plan.cpp plan/requantize.cpp plan/requantized.cpp plan/runs.cpp plan/weight_planes.cpp site_table.cpp
  LIBRARIES qloom_steps qloom_layers qloom_quantize_node qloom_contraction qloom_methods qloom_registry qloom_kernels qloom_data
    qloom_tensor fmt::fmt)
