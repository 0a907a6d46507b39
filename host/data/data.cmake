qloom_add_floor(data
  SOURCES array_file.cpp array_reader.cpp batch.cpp cifar.cpp dataset.cpp file.cpp idx.cpp npy.cpp
          npz.cpp split.cpp streams.cpp
  LIBRARIES qloom_json qloom::tensor fmt::fmt)
target_link_libraries(qloom_data PRIVATE ZLIB::ZLIB PkgConfig::libzip)
