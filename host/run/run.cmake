# A type of stage is a file host/run/stages/<type>.cpp that defines its record k<Type>.
include("${CMAKE_CURRENT_LIST_DIR}/../table.cmake")
qloom_add_floor(run
  SOURCES batches.cpp checkpoint.cpp facts.cpp finished.cpp keeper.cpp progress.cpp reload.cpp run.cpp
    run_files.cpp setup.cpp start.cpp stop.cpp trainer.cpp steps/begun.cpp steps/training_step.cpp
    services/rules_service.cpp services/run_service.cpp services/tensors_service.cpp
    settings/agreement.cpp settings/behind_relu.cpp settings/norm_settings.cpp
    settings/settings.cpp
  LIBRARIES qloom_results qloom_placing qloom_pipeline qloom_network qloom_registry qloom_kernels
            qloom_data fmt::fmt)
qloom_add_table(run run/stages host/run/stages/stage.hpp qloom::run::stages Action)
