"""What settings are called in transformers, whose users type these names."""

from collections.abc import Mapping

# TrainingArguments and the arguments of transformers' example scripts -> names here.
OTHER_NAMES: Mapping[str, str] = {
    "lr": "learning_rate",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warmup_ratio",
    "adam_beta1": "adam_b1",
    "adam_beta2": "adam_b2",
    "adam_epsilon": "adam_eps",
    "num_train_epochs": "num_epochs",
    "per_device_train_batch_size": "batch_size",
    "per_gpu_train_batch_size": "batch_size",
    "train_batch_size": "batch_size",
    "gradient_accumulation_steps": "batch_size",
    "label_smoothing_factor": "label_smoothing",
    "bf16": "precision",
    "fp16": "precision",
    "gradient_checkpointing": "remat",
    "eval_steps": "eval_every",
    "logging_steps": "log_every",
    "save_steps": "checkpoint_every",
    "early_stopping_patience": "patience",
    "metric_for_best_model": "metric",
    "report_to": "track",
    "output_dir": "out",
    "overwrite_output_dir": "overwrite",
    "do_predict": "predict_test",
    "seed": "seeds",
    "model_name_or_path": "model",
    "task_name": "task",
    "validation_file": "dev_file",
    "text_column_name": "text_columns",
    "label_column_name": "label_column",
    "max_seq_length": "max_length",
    "max_train_samples": "train_examples",
}
