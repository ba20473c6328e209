"""From the folders that sweeps leave to the pages a reader gets; nothing here imports JAX."""
