qloom_add_test(registry_test LABELS unit LIBRARIES qloom::registry
  SOURCES registry/floating_point_test.cpp registry/folders_test.cpp registry/manifest_test.cpp
    registry/services_test.cpp registry/tree_manifests_test.cpp)
