"""The steps: one file each, an adapter from Pulumi's create, read and delete to the library."""
