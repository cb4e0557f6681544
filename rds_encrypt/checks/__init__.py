"""What a preview finds out about a source, read-only: what stands in the way, what to mind, what is good to know."""
