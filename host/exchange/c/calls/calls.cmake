# The files of calls/parts, in the library as text: kernel_files() of host/exchange/c/calls/calls.hpp.
set(folder "${CMAKE_CURRENT_LIST_DIR}/parts")
set(entries "")
foreach(file IN ITEMS model_kernels.h model_kernels.c)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/${file}.in")
  file(READ "${folder}/${file}.in" text)
  string(APPEND entries "      {\"${file}\", R\"part(${text})part\"},\n")
endforeach()
set(table "${CMAKE_CURRENT_BINARY_DIR}/exchange/c/calls/kernel_files.cpp")
file(CONFIGURE OUTPUT "${table}" CONTENT
"#include \"host/exchange/c/calls/calls.hpp\"

namespace qloom::exchange::c {

std::vector<std::pair<std::string, std::string>> kernel_files() {
  return {
@entries@  };
}

}  // namespace qloom::exchange::c
" @ONLY)
target_sources(qloom_exchange PRIVATE "${table}")
