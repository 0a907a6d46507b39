# The files of verilog/parts, in the library as text: parts() of host/exchange/verilog/parts.hpp.
set(folder "${CMAKE_CURRENT_LIST_DIR}/parts")
file(GLOB files RELATIVE "${folder}" CONFIGURE_DEPENDS "${folder}/*")
set(entries "")
foreach(file IN LISTS files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${folder}/${file}")
  file(READ "${folder}/${file}" text)
  string(REGEX REPLACE "\\.in$" "" name "${file}")
  string(APPEND entries "      {\"${name}\", R\"part(${text})part\"},\n")
endforeach()
set(table "${CMAKE_CURRENT_BINARY_DIR}/exchange/verilog/parts.cpp")
file(CONFIGURE OUTPUT "${table}" CONTENT
"#include \"host/exchange/verilog/parts.hpp\"

namespace qloom::exchange::verilog {

std::vector<std::pair<std::string, std::string>> parts() {
  return {
@entries@  };
}

}  // namespace qloom::exchange::verilog
" @ONLY)
target_sources(qloom_exchange PRIVATE "${table}")
