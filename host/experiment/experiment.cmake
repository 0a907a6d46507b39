qloom_add_floor(experiment
  SOURCES placing.cpp known_sites.cpp progress.cpp trainer.cpp training.cpp reload.cpp
          checkpoint.cpp checkpoint_interval.cpp stop.cpp run_service.cpp events.cpp
          layer_statistics.cpp linked_libraries.cpp inputs.cpp standing.cpp report.cpp page.cpp
          run.cpp table.cpp compare.cpp tee.cpp processes.cpp batch.cpp sweep_plan.cpp
          sweep_results.cpp sweep.cpp warnings.cpp settings.cpp norm_settings.cpp candidates.cpp
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
  configure_file(report/${part} "${report_folder}/${part}" COPYONLY)
endforeach()
configure_file("${QLOOM_CHART_JS}" "${report_folder}/chart.min.js" COPYONLY)
set_source_files_properties(experiment/page.cpp PROPERTIES
  COMPILE_DEFINITIONS "QLOOM_BUILD_REPORT=\"${report_folder}\"")
install(DIRECTORY "${report_folder}" DESTINATION share/qloom)
