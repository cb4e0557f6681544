"""The desired state: Pulumi components, and the validation of the settings they take."""
