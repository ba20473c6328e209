"""Every figure of the paper, one command each: `python -m jaxtune.study FIGURE --out DIR`; and
`correction`, which asks what the paper leaves open.

A study runs its sweeps (or finds them finished), writes its numbers and what they say into
DIR/FIGURE, and draws from those files alone. `Study` (context.py) is what a study gets; `draw.py`
and the drawing files import no jax.
"""
