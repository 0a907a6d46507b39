# Copies of one library under the names of its faults, each with the manifest beside it.
foreach(fault IN LISTS FAULTS)
  set(folder "${FOLDER}/${KIND}.${fault}")
  file(MAKE_DIRECTORY "${folder}")
  file(COPY_FILE "${LIBRARY}" "${folder}/${KIND}.${fault}.so")
  file(COPY_FILE "${MANIFEST}" "${folder}/plugin.json")
endforeach()
