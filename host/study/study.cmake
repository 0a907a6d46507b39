qloom_add_floor(study
  SOURCES batch.cpp compare.cpp known_rows.cpp processes.cpp
    sweep.cpp sweep_plan.cpp sweep_results.cpp tee.cpp
  LIBRARIES qloom_run qloom_results qloom_pipeline qloom_registry qloom_data fmt::fmt)
