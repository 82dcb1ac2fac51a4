"""Rows and steps in a process of their own: the node's side of it, the process, and what passes between them."""
