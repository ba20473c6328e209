"""`python -m jaxtune.export`: trained trials as folders that transformers loads."""
