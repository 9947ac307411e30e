"""Recompute the state from its records, and from the ledger's blocks: python -m services.uniqueness.fsck"""
