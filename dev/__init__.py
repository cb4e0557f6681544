"""What the project is developed with, and never ships: sandbox, demo, benches, tools."""
