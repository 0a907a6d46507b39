qloom_add_floor(run
  SOURCES checkpoint.cpp checkpoint_interval.cpp facts.cpp norm_settings.cpp
          progress.cpp reload.cpp run.cpp run_service.cpp settings.cpp stop.cpp
          trainer.cpp training.cpp
  LIBRARIES qloom_results qloom_placing qloom_pipeline qloom_network qloom_registry qloom_kernels
            qloom_data fmt::fmt)
