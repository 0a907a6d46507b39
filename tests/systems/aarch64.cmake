# SPDX-License-Identifier: Apache-2.0
# Copyright the qloom authors
#
# Toolchain for 64-bit ARM with Debian's cross compiler and the packages of the system root QLOOM_SYSROOT. It
# names no emulator: programs start themselves and each other, so arm64.sh puts a script in the place of each.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES QLOOM_SYSROOT)
set(CMAKE_SYSROOT "${QLOOM_SYSROOT}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} "${QLOOM_SYSROOT}")
set(ENV{PKG_CONFIG_LIBDIR}
  "${QLOOM_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${QLOOM_SYSROOT}/usr/share/pkgconfig")
