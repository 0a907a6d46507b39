qloom_add_test(pipeline_test
  SOURCES
    ${CMAKE_CURRENT_LIST_DIR}/old_names_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/pipeline_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/overrides_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/rules_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/schemas_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/stages_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/workspace.cpp
  LIBRARIES qloom_pipeline fmt::fmt
  LABELS unit)
qloom_add_test(model_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/model_test.cpp
  LIBRARIES qloom_network
  LABELS unit)
