"""Files that a migration writes for people: the log of a cutover, a report, the steps of an ownership transfer.

Nothing here decides anything, and no step depends on it: the journal is in tags, and a file that cannot be written is a warning.
"""
