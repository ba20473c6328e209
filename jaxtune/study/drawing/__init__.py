"""Pictures of the studies, from the files of DIR/FIGURE alone; imports no JAX."""
