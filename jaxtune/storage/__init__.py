"""What a sweep leaves in OUT, written and read."""
