"""Compares two MySQL servers stopped at the same coordinates: rows, by checksums made in the server, and definitions.

Uses ``mysql`` for its sessions; knows nothing of Pulumi, of AWS, or of how the servers were stopped.
"""
