# The compute core. The files of kernels/isa are the only ones with instruction-set flags; they are
# optimized and without exceptions in every build, so that they keep no shared inline function.
qloom_add_floor(kernels SOURCES dispatch.cpp float_spec.cpp order_statistics.cpp stored_codes.cpp
  LIBRARIES qloom_tensor qloom_abi)

set(isas)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(isas sse2 avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(isas neon)
endif()
if(isas)
  # an object library, so that a test can look at the objects
  list(TRANSFORM isas REPLACE "(.+)" "kernels/isa/\\1.cpp" OUTPUT_VARIABLE files)
  add_library(qloom_kernels_isa OBJECT ${files})
  set_target_properties(qloom_kernels_isa PROPERTIES UNITY_BUILD OFF)  # each its own flags
  target_include_directories(qloom_kernels_isa PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(qloom_kernels_isa PRIVATE qloom_abi qloom_warnings)
  target_compile_options(qloom_kernels_isa PRIVATE -O3 -fno-exceptions)
  set_source_files_properties(kernels/isa/avx2.cpp PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma")
  # Sums in narrow floats and grids per channel run out of SSE2's sixteen registers: gcc spills less.
  set_source_files_properties(kernels/isa/sse2.cpp PROPERTIES COMPILE_OPTIONS
    "$<$<CXX_COMPILER_ID:GNU>:-frename-registers>")
  # gcc 12 warns inside its own header of AVX-512 intrinsics
  set_source_files_properties(kernels/isa/avx512.cpp PROPERTIES COMPILE_OPTIONS
    "-mavx512f;-mavx512cd;-mavx512dq;-mavx512bw;-mavx512vl;-mprefer-vector-width=512;\
$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized;-Wno-maybe-uninitialized>")
  # Sanitizers watch the tensors, not each vector's place on the stack: gcc 12 takes minutes for it.
  if(QLOOM_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(qloom_kernels_isa PRIVATE -O1
      -fno-sanitize-address-use-after-scope --param=asan-stack=0)
  endif()
  target_sources(qloom_kernels PRIVATE $<TARGET_OBJECTS:qloom_kernels_isa>)
endif()
