"""Volumes: what holds the disks of domUs."""
