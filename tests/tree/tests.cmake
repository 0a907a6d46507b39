# The tools that look at the tree. Without one its tests fail and say what to install.
find_program(QLOOM_CLANG NAMES clang++-14 clang++)
find_program(QLOOM_CLANG_FORMAT NAMES clang-format-14 clang-format)
target_compile_definitions(tree_test PRIVATE
  QLOOM_CLANG="${QLOOM_CLANG}" QLOOM_CLANG_FORMAT="${QLOOM_CLANG_FORMAT}")
