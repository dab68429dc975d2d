"""Copies of domUs: plan, ghost, copy, generations, receiver, report."""
