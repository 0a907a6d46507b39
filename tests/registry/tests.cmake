qloom_add_test(registry_test LABELS unit LIBRARIES qloom::registry
  SOURCES registry/aliases_test.cpp registry/floating_point_test.cpp registry/folders_test.cpp registry/manifest_test.cpp
    registry/services_test.cpp registry/tree_manifests_test.cpp
    registry/tree_vocabulary_test.cpp registry/vocabulary_test.cpp)
