"""The version of this code, and with which others it works: hub and nodes compare them before a run."""

__all__ = ["__version__", "works_with"]

__version__ = "0.1.0"


def works_with(other: str) -> bool:
    """Whether a release of that version may take part in one run with this one.

    Releases of one major.minor differ in their last number only: neither messages, nor methods, nor numbers
    change between them, so that hub and nodes can be brought up to date one after the other.

    Examples
    --------
    >>> major, minor, _ = __version__.split(".")
    >>> works_with(f"{major}.{minor}.99"), works_with(f"{major}.{int(minor) + 1}.0"), works_with("")
    (True, False, False)
    """
    return other.split(".")[:2] == __version__.split(".")[:2] and other.count(".") == 2
