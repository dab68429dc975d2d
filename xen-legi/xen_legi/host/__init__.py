"""What makes a host a dom0."""
