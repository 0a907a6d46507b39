qloom_add_floor(experiment
  SOURCES placing.cpp progress.cpp trainer.cpp checkpoint.cpp run_service.cpp report.cpp run.cpp
          compare.cpp
  LIBRARIES qloom_pipeline qloom_network qloom_registry qloom_kernels qloom_data fmt::fmt)
