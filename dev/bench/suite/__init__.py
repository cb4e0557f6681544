"""The suite: parts that turn what the other modules measure into lines of one table."""
