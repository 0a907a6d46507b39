# The pages as a browser sees them; without one the tests fail and say what to install.
find_program(QLOOM_CHROMIUM NAMES chromium chromium-browser google-chrome)
target_compile_definitions(results_page_test PRIVATE QLOOM_CHROMIUM="${QLOOM_CHROMIUM}")
