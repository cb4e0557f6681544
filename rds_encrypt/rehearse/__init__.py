"""Rehearses a migration on a copy of the source: measures the real account, and removes the copy."""
