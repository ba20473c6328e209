"""`python -m jaxtune.predict`: labels and probabilities for new text."""
