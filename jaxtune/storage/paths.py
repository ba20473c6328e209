"""What lies where in a sweep's folder OUT."""

CONFIG, MANIFEST, SUMMARY = "config.yaml", "manifest.json", "summary.json"
HISTORY, PREDICTIONS, PARAMS = "history", "predictions", "params"
CLASSES, LABELS = "classes.json", f"{PREDICTIONS}/labels.npy"
SENTENCES = f"{PREDICTIONS}/sentences.npy"  # where words have labels
IDS, ANSWERS = "ids.json", "_predictions.csv"  # of a further set; ANSWERS comes after its name
REPORT = ("report.html", "report.md", "arms.csv", "trials.csv")
TRIALS, DAMAGED = "trials.jsonl", "trials.jsonl.damaged"  # lines that were taken out of it
REPRESENTATIONS = "representations.json"
TENSORBOARD, CHECKPOINTS, FIRST_LEG = "tb", "checkpoints", "first_leg"
MLFLOW_DATABASE, MLFLOW_FILES = "mlflow.db", "mlruns"
TRACKED = "tracked.json"


def trial_name(number: int) -> str:
    """What a trial's files and its folder of parameters are called, such as `00007`."""
    return f"{number:05d}"
