"""The paper's failure in miniature: a 24-layer, 64-wide BERT that breaks on a laptop."""

from pathlib import Path

MODEL_FOLDER = Path(__file__).parent / "model"
