"""The other dom0s."""
