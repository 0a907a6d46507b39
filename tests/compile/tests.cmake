# 60 random networks are quick; more of them, slow.
add_test(NAME compile_random_networks COMMAND compile_test --gtest_filter=RandomNetworks.*)
set_tests_properties(compile_random_networks PROPERTIES LABELS slow TIMEOUT 3600
  ENVIRONMENT "QLOOM_RANDOM_NETWORKS=1000:2000;QLOOM_PLUGIN_PATH=${PROJECT_BINARY_DIR}/plugins")
