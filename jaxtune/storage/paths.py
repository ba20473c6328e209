"""What lies where in a sweep's folder OUT (DESIGN 2.2)."""

CONFIG, MANIFEST, SUMMARY = "config.yaml", "manifest.json", "summary.json"
HISTORY, PREDICTIONS, PARAMS = "history", "predictions", "params"
CLASSES, LABELS = "classes.json", f"{PREDICTIONS}/labels.npy"
REPORT = ("report.html", "report.md", "arms.csv", "trials.csv")
TRIALS = "trials.jsonl"
TENSORBOARD, CHECKPOINTS, FIRST_LEG = "tb", "checkpoints", "first_leg"
