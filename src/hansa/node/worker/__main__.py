"""``python -m hansa.node.worker FILE...``: the process that holds a node's rows. Only a node starts it.

It confines itself first, and only then loads what has threads and reads data.
"""

from __future__ import annotations

import sys

from hansa.node.worker.confine import confine

__all__ = ["main"]


def main() -> None:
    """Confine this process to reading the files named, and serve."""
    weaker = confine(sys.argv[1:])
    from hansa.node.worker.serving import serve  # noqa: PLC0415  # it starts threads, which must be confined too

    serve(weaker)


if __name__ == "__main__":
    main()
