"""Runs of other trainers: scores from files, folders and the command line as a sweep's rows."""
