"""The version, in one place: the package, manifests, pages and model cards read it here."""

__version__ = "0.2.0.dev0"
