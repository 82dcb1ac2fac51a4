"""The version of this code, which hub and nodes compare before a run."""

__all__ = ["__version__"]

__version__ = "0.1.0"
