"""The library: finds the instances of a migration, reaches their MySQL, checks them, and cuts over.

Knows nothing of Pulumi or pydantic.
"""
