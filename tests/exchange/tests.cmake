# Compilers of C for what is exported. Without one its tests fail and say what to install.
find_program(QLOOM_GCC NAMES gcc)
find_program(QLOOM_CLANG_C NAMES clang-14 clang)
find_program(QLOOM_ARM_GCC NAMES arm-linux-gnueabihf-gcc)
find_program(QLOOM_QEMU_ARM NAMES qemu-arm)
qloom_add_test(exchange_slow_test
  SOURCES exchange/slow/every_level_test.cpp exchange/compiled.cpp
  LABELS slow LIBRARIES qloom::exchange qloom_program_test TIMEOUT 3600)
foreach(test exchange_test exchange_slow_test)
  target_compile_definitions(${test} PRIVATE
    QLOOM_GCC="${QLOOM_GCC}" QLOOM_CLANG_C="${QLOOM_CLANG_C}"
    QLOOM_ARM_GCC="${QLOOM_ARM_GCC}" QLOOM_QEMU_ARM="${QLOOM_QEMU_ARM}")
endforeach()
