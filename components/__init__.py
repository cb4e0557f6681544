"""What should exist: Pulumi components and the typed settings they take."""
