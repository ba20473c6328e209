"""The groups of a sweep on a Ray cluster: one driver plans and writes, workers train."""
