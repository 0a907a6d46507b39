qloom_add_floor(registry
  SOURCES elf.cpp explain.cpp floating_point.cpp instance.cpp library.cpp names.cpp registry.cpp
    run_service.cpp services.cpp tables.cpp validate.cpp
  LIBRARIES qloom_kernels qloom_data qloom_tensor qloom_abi nlohmann_json::nlohmann_json)
target_link_libraries(qloom_registry PRIVATE valijson fmt::fmt Boost::headers ${CMAKE_DL_LIBS})
# The source tree's schemas serve programs that run from the build tree.
set_source_files_properties(registry/names.cpp PROPERTIES
  COMPILE_DEFINITIONS "QLOOM_SOURCE_SCHEMAS=\"${PROJECT_SOURCE_DIR}/schemas\"")
set_source_files_properties(registry/services.cpp PROPERTIES
  COMPILE_DEFINITIONS "QLOOM_VERSION=\"${PROJECT_VERSION}\"")
