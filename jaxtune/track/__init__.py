"""The command `jaxtune track`: a sweep's trials as runs of W&B, MLflow or trackio."""
