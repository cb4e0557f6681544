"""Shared by every layer: errors that say what to do, and waits that end."""
