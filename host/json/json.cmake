qloom_add_floor(json SOURCES edit.cpp expected.cpp explain.cpp names.cpp narrower.cpp pointer.cpp printable.cpp schema.cpp text.cpp validate.cpp
  LIBRARIES qloom_tensor nlohmann_json::nlohmann_json fmt::fmt)
target_link_libraries(qloom_json PRIVATE valijson)
# gcc 12 gives a false alarm on std::string + text there, which only a system header's own text hides.
set_source_files_properties(json/validate.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
