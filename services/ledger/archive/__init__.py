"""A whole ledger as one file, and back: python -m services.ledger.archive"""
