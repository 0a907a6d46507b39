# qloom_add_table(<floor> <folder> <header> <namespace> <type>): each file host/<folder>/<name>.cpp defines
# the record k<Name> of this type; the files go into the floor's library, and the list of the records,
# table() of the header, is made here. A new file is a new record.
function(qloom_add_table floor folder header namespace type)
  set(root "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")
  file(GLOB files CONFIGURE_DEPENDS "${root}/${folder}/*.cpp")
  set(declarations "")
  set(entries "")
  foreach(file IN LISTS files)
    cmake_path(GET file STEM name)
    set(record "k")
    string(REPLACE "_" ";" words "${name}")
    foreach(word IN LISTS words)
      string(SUBSTRING "${word}" 0 1 first)
      string(SUBSTRING "${word}" 1 -1 rest)
      string(TOUPPER "${first}" first)
      string(APPEND record "${first}${rest}")
    endforeach()
    string(APPEND declarations "extern const ${type} ${record};\n")
    string(APPEND entries "&${record}, ")
  endforeach()
  set(table "${CMAKE_CURRENT_BINARY_DIR}/${folder}/table.cpp")
  file(CONFIGURE OUTPUT "${table}" CONTENT
"#include \"${header}\"

namespace ${namespace} {

@declarations@
std::span<const ${type}* const> table() {
  static constexpr const ${type}* kAll[] = {@entries@};
  return kAll;
}

}  // namespace ${namespace}
" @ONLY)
  target_sources(qloom_${floor} PRIVATE ${files} "${table}")
endfunction()
