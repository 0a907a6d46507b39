# The SDK's test kit, qloom::testkit: one shared library that holds what it needs of the host and shows
# none of it.
add_library(qloom_testkit SHARED testkit/testkit.cpp)
add_library(qloom::testkit ALIAS qloom_testkit)
target_include_directories(qloom_testkit
  PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/sdk/include> $<INSTALL_INTERFACE:include>
  PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(qloom_testkit
  PRIVATE qloom_quantize_node qloom_methods fmt::fmt qloom_warnings OpenMP::OpenMP_CXX ${CMAKE_DL_LIBS})
target_link_options(qloom_testkit PRIVATE LINKER:--exclude-libs,ALL)
target_precompile_headers(qloom_testkit REUSE_FROM qloom_host_headers)
set_target_properties(qloom_testkit PROPERTIES EXPORT_NAME testkit)
include(GNUInstallDirs)
install(TARGETS qloom_testkit EXPORT qloom_targets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
