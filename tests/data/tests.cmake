qloom_add_test(data_test
  SOURCES data/array_file_test.cpp data/array_reader_test.cpp data/npy_corrupt_test.cpp
    data/idx_test.cpp data/numpy_test.cpp data/cifar_test.cpp data/batch_test.cpp
    data/json_file_test.cpp data/writers_test.cpp
  LABELS unit LIBRARIES qloom::data)
# The package's own files, when the package is installed.
if(EXISTS /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz)
  qloom_add_test(fashion_mnist_test SOURCES data/fashion_mnist_test.cpp
    LABELS integration LIBRARIES qloom::data)
endif()

qloom_add_test(xtensor_view_test SOURCES data/xtensor_test.cpp
  LABELS unit LIBRARIES qloom::sdk OpenMP::OpenMP_CXX xtensor)
