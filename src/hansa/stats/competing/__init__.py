"""Cumulative incidence where causes compete, and Gray's tests."""
