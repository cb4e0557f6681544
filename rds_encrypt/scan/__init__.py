"""Lists a region's unencrypted instances and what blocks each, and writes a stack config for chosen ones."""
