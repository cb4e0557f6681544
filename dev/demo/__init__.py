"""The demo: a live, written-to database is encrypted with the real Pulumi engine, and every promise is checked."""
