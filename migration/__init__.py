"""What spans both planes: finding the instances of a migration, reaching their MySQL, checks, and the cut-over.

Knows ``controlplane`` and ``replication``; knows nothing of Pulumi.
"""
