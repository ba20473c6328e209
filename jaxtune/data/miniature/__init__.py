"""The paper's failure in miniature: a 24-layer, 64-wide BERT that breaks on a laptop."""
