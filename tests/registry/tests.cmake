qloom_add_test(registry_test LABELS unit LIBRARIES qloom::registry
  SOURCES registry/floating_point_test.cpp registry/manifest_test.cpp registry/names_test.cpp
    registry/printable_test.cpp
    registry/services_test.cpp registry/tree_manifests_test.cpp registry/validate_test.cpp)
