"""Checks of a source at preview, read-only: blocking findings, warnings and notes."""
