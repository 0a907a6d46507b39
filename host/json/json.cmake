qloom_add_floor(json SOURCES names.cpp LIBRARIES qloom_tensor fmt::fmt)
