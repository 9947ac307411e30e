"""The ledger's state machine: one state, one pure function that says what an ordered statement does to it.

Start reading at `evaluate`. Nothing here knows a database, a bus or a clock: records come through a `View`, time comes
as an argument, and what changes is returned.
"""
