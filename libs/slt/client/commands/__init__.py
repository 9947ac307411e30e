"""The work of the commands of `slt`, one module for each group. cli.py holds their names and options."""
