"""Measurements of the program against the plain runbook, each one command."""
