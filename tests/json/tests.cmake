qloom_add_test(json_test LABELS unit LIBRARIES qloom::json
  SOURCES json/names_test.cpp json/printable_test.cpp json/validate_test.cpp)
