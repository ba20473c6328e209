"""What the scores of trials say, and how sure that is; imports no JAX."""
