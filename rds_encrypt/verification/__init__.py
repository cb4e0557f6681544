"""Whether two MySQL servers at rest hold the same: rows, by checksums made in the server, and definitions.

Knows ``replication`` for its sessions; knows nothing of Pulumi, of AWS, or of how the two came to be at rest.
"""
