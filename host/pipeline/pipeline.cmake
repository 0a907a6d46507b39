qloom_add_floor(pipeline
  SOURCES configuration.cpp files.cpp formats.cpp layers.cpp overrides.cpp pipeline.cpp recipe.cpp rules.cpp idle_parameters.cpp stages.cpp
  LIBRARIES qloom_sites qloom_methods qloom_registry qloom_data qloom_tensor nlohmann_json::nlohmann_json fmt::fmt)
