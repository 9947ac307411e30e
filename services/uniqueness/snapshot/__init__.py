"""The state as one file, and back: python -m services.uniqueness.snapshot"""
