# The source tree itself: what its files may include.
qloom_add_test(tree_test SOURCES tree/include_graph_test.cpp LABELS unit LIBRARIES qloom::tensor)
