qloom_add_floor(network
  SOURCES site_quantizer.cpp site_execution.cpp
    quantizer_spec.cpp site_encoding.cpp site_state.cpp parameter.cpp model.cpp
    norm_call.cpp norm_layer.cpp lowering.cpp readers.cpp gradients.cpp network.cpp runs.cpp backward.cpp state.cpp
  LIBRARIES qloom_layers qloom_contraction qloom_registry qloom_kernels qloom_data qloom_tensor fmt::fmt)
