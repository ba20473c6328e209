"""Fine-tuning stability of BERT-like encoders, measured with many seeds in one compiled program."""

__version__ = "0.1.0"
