"""Which instances of a region are unencrypted, what stands in the way of each, and a stack config for those chosen."""
