"""What drives a database and a stack from outside: writers, a Pulumi workspace, connections."""
