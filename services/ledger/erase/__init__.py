"""Erase bodies, and leave a signed record in the place of each: python -m services.ledger.erase"""
