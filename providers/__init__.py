"""What has to happen: one file per step, each an adapter from Pulumi's create, read and delete to the layers below."""
