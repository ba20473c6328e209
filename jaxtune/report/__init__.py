"""`python -m jaxtune.report`: the verdict over one or several finished sweeps; imports no JAX."""
