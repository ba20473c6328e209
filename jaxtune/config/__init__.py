"""Every setting of a sweep, how it is read from flags and YAML, and the trials it makes."""
