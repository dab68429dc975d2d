"""The host's network: stanzas, the links they want, and how to get there."""
