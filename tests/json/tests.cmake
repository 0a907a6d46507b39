qloom_add_test(json_test LABELS unit LIBRARIES qloom::json
  SOURCES json/edit_test.cpp json/names_test.cpp json/narrower_test.cpp json/pointer_test.cpp
    json/printable_test.cpp json/text_test.cpp json/validate_test.cpp)
