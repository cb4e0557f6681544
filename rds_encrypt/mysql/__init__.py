"""MySQL as a data plane: sessions, dialects, coordinates, channels. Knows nothing of Pulumi or AWS's API."""
