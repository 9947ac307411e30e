"""Validation: is the report complete and well made?"""
