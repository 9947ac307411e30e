"""Recompute everything that a ledger's database holds from its bytes: python -m services.ledger.fsck"""
