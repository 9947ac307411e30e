"""Uniqueness: does it conflict with the current state of the ledger?"""
