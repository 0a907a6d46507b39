qloom_add_floor(data
  SOURCES array_file.cpp array_reader.cpp batch.cpp cifar.cpp claim.cpp dataset.cpp file.cpp hash.cpp
          idx.cpp json_file.cpp npy.cpp npz.cpp process.cpp split.cpp streams.cpp temporary.cpp
  LIBRARIES qloom_json qloom::tensor fmt::fmt)
target_link_libraries(qloom_data PRIVATE ZLIB::ZLIB PkgConfig::libzip)
