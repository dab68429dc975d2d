"""domUs: their configuration file, names, addresses and life."""
