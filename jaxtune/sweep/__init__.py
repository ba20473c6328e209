"""`python -m jaxtune.sweep`: many seeds of one or several recipes."""
