"""The desired state: Pulumi components and the typed settings they take."""
