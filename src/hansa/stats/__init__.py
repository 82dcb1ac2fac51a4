"""Federated methods: preparations, steps and plans, without privacy code or I/O."""
