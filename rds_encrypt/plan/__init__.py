"""The plan of a phase, shown before it runs: pure functions of the config and the topology."""
