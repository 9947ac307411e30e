"""Ledger: is it kept, unchanged, and can anyone prove it?"""
