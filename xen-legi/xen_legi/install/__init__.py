"""How the inside of a domU is made."""
