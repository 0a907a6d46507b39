qloom_add_floor(placing
  SOURCES placing.cpp candidates.cpp known_sites.cpp
  LIBRARIES qloom_pipeline qloom_network qloom_registry fmt::fmt)
