"""MySQL as a data plane: sessions, dialects, coordinates, channels. Knows nothing about Pulumi or AWS's API."""
