"""What a phase will do to a source, told before anybody lets it: pure functions of the config's wish and the topology."""
