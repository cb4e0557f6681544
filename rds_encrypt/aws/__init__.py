"""RDS as an API: find, describe, wait, rename, tag. Knows boto3; knows nothing about Pulumi or MySQL."""
