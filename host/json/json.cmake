qloom_add_floor(json SOURCES names.cpp text.cpp
  LIBRARIES qloom_tensor nlohmann_json::nlohmann_json fmt::fmt)
