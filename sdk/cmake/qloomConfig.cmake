# find_package(qloom): targets qloom::abi (C header) and qloom::sdk (C++ wrapper), and the function
# qloom_add_plugin(). <qloom/xtensor.hpp> needs xtensor, which only its users look for.
include("${CMAKE_CURRENT_LIST_DIR}/qloomTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/qloom_plugin.cmake")
