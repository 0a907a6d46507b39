qloom_add_floor(data
  SOURCES alternate_stack.cpp claim.cpp file.cpp hash.cpp input_file.cpp json_file.cpp process.cpp streams.cpp temporary.cpp
    arrays/array_file.cpp arrays/array_reader.cpp arrays/npy.cpp arrays/npz.cpp
    datasets/batch.cpp datasets/cifar.cpp datasets/dataset.cpp datasets/idx.cpp datasets/split.cpp
  LIBRARIES qloom_json qloom::tensor fmt::fmt)
target_link_libraries(qloom_data PRIVATE ZLIB::ZLIB PkgConfig::libzip)
