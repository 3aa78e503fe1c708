"""Readers of files that others made: nothing in them is ever executed."""
