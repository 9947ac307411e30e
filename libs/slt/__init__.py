"""The libraries of the safeguards shared ledger.

Start with slt.statements (the bytes) or slt.client (the facility's side).
"""

__version__ = "0.1.0"
