# The source tree itself: what its files may include, and switches over enums.
qloom_add_test(tree_test SOURCES tree/include_graph_test.cpp tree/json_test.cpp tree/switch_test.cpp LABELS unit LIBRARIES qloom::tensor)
