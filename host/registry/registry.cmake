qloom_add_floor(registry
  SOURCES aliases.cpp create.cpp folders.cpp inner.cpp instance.cpp linear_service.cpp
    methods_service.cpp presets.cpp registry.cpp
    run_service.cpp services.cpp tables.cpp version.cpp vocabulary.cpp
    calls/call_record.cpp calls/crash.cpp calls/floating_point.cpp
    libraries/elf.cpp libraries/elf_symbols.cpp libraries/library.cpp libraries/reload.cpp
    libraries/watcher.cpp
  LIBRARIES qloom_kernels qloom_data qloom_json qloom_tensor qloom_abi nlohmann_json::nlohmann_json)
target_link_libraries(qloom_registry PRIVATE
  fmt::fmt Boost::headers Eigen3::Eigen ${CMAKE_DL_LIBS})
# Alone, so that every instruction set gives the same bits: Eigen's loops one number at a time.
set_source_files_properties(registry/linear_service.cpp PROPERTIES
  COMPILE_DEFINITIONS "EIGEN_DONT_VECTORIZE;EIGEN_DONT_PARALLELIZE"
  COMPILE_OPTIONS "$<$<CONFIG:Release>:-O2>"
  SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
# The source tree's schemas and templates serve programs that run from the build tree.
set_property(SOURCE registry/folders.cpp PROPERTY COMPILE_DEFINITIONS
  "QLOOM_SOURCE_SCHEMAS=\"${PROJECT_SOURCE_DIR}/schemas\""
  "QLOOM_SOURCE_TEMPLATES=\"${PROJECT_SOURCE_DIR}/sdk/template\"")
set_source_files_properties(registry/version.cpp PROPERTIES
  COMPILE_DEFINITIONS "QLOOM_VERSION=\"${PROJECT_VERSION}\"")
