# From runs to hardware. docs/deploy.md, done word by word; and, label slow, whole examples on the whole
# test set.
add_test(NAME deploy_page_test COMMAND "${PROJECT_SOURCE_DIR}/tests/package/run_page.sh"
  "${PROJECT_SOURCE_DIR}/docs/deploy.md" "${PROJECT_BINARY_DIR}")
set_tests_properties(deploy_page_test PROPERTIES LABELS export TIMEOUT 600)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB pipelines CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/deploy/*.json"
  "${PROJECT_SOURCE_DIR}/examples/quickstart/*.json")
foreach(pipeline IN LISTS pipelines)
  get_filename_component(name "${pipeline}" NAME_WE)
  add_test(NAME deploy_${name} COMMAND "${Python3_EXECUTABLE}" -B
    "${CMAKE_CURRENT_LIST_DIR}/equal.py" "$<TARGET_FILE:qloom>" "${PROJECT_BINARY_DIR}/deploy"
    "${pipeline}")
  set_tests_properties(deploy_${name} PROPERTIES LABELS slow TIMEOUT 3600 RESOURCE_LOCK deploy)
endforeach()
# Training: simulation, executor and C end with the same weights, behind 21 steps of which the last is a
# short batch, and, slow, behind a whole epoch.
foreach(pipeline pipeline lfsr)
  set(words "${CMAKE_CURRENT_LIST_DIR}/trained.py" "$<TARGET_FILE:qloom>")
  set(example "${PROJECT_SOURCE_DIR}/examples/train_on_device/${pipeline}.json")
  add_test(NAME deploy_steps_${pipeline} COMMAND "${Python3_EXECUTABLE}" -B ${words}
    "${PROJECT_BINARY_DIR}/deploy/steps_${pipeline}" "${example}"
    --set /data/train_limit=325 --set /data/test_limit=64)
  set_tests_properties(deploy_steps_${pipeline} PROPERTIES LABELS export TIMEOUT 600)
  add_test(NAME deploy_training_${pipeline} COMMAND "${Python3_EXECUTABLE}" -B ${words}
    "${PROJECT_BINARY_DIR}/deploy/training_${pipeline}" "${example}")
  set_tests_properties(deploy_training_${pipeline} PROPERTIES LABELS slow TIMEOUT 3600 RESOURCE_LOCK deploy)
endforeach()
