qloom_add_floor(results
  SOURCES checkpoint_text.cpp events.cpp formats/formats.cpp layer_statistics.cpp page.cpp report.cpp
          reuse/inputs.cpp reuse/linked_libraries.cpp reuse/standing.cpp
          sections.cpp storage.cpp table.cpp warnings.cpp
  LIBRARIES qloom_pipeline qloom_network qloom_registry qloom_kernels qloom_data fmt::fmt)

# What report.html is made of: the page's own parts and Chart.js, in one folder of the build tree.
find_file(QLOOM_CHART_JS chart.min.js
  PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist NO_DEFAULT_PATH
  DOC "Chart.js, version 3 or 4, minified")
if(NOT QLOOM_CHART_JS)
  message(FATAL_ERROR "Chart.js was not found: install the package libjs-chart.js, "
    "or name the file with -DQLOOM_CHART_JS=<folder>/chart.min.js")
endif()
set(report_folder "${PROJECT_BINARY_DIR}/share/qloom/report")
foreach(part page.html page.css data.js charts.js page.js)
  configure_file(results/page/${part} "${report_folder}/${part}" COPYONLY)
endforeach()
configure_file("${QLOOM_CHART_JS}" "${report_folder}/chart.min.js" COPYONLY)
set_source_files_properties(results/page.cpp PROPERTIES
  COMPILE_DEFINITIONS "QLOOM_BUILD_REPORT=\"${report_folder}\"")
install(DIRECTORY "${report_folder}" DESTINATION share/qloom)
