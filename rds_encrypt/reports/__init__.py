"""What a migration writes down for people: what a cutover was, a report, a hand-over.

Nothing here decides anything, and no step depends on it: the journal is in tags, and a file that cannot be written is a warning.
"""
