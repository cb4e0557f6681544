"""What spans both planes: finding the instances of a migration, reaching their MySQL, checks, and the cutover.

Knows ``controlplane`` and ``replication``; knows nothing of Pulumi.
"""
