qloom_add_floor(network
  SOURCES parameter.cpp model.cpp
    norm_call.cpp norm_layer.cpp lowering.cpp readers.cpp gradients.cpp network.cpp runs.cpp backward.cpp state.cpp
  LIBRARIES qloom_layers qloom_quantize_node qloom_contraction qloom_registry qloom_kernels qloom_data
    qloom_tensor fmt::fmt)
