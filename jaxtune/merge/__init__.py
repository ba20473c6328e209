"""The command `jaxtune merge`: the shards of a sweep to one OUT."""
