"""``hansa demo``: the whole story in one run and one page."""

from hansa.cli.demo.command import demo

__all__ = ["demo"]
