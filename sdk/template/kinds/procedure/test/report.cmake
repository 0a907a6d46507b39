# The last entry of the series "largest_weight" must be the limit: more weights begin above it.
file(READ "${report}" text)
string(JSON largest GET "${text}" procedures largest_weight 1)
if(NOT largest EQUAL 0.0625)
  message(FATAL_ERROR "largest_weight is ${largest}, expected the limit 0.0625")
endif()
