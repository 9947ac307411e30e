"""The facility's side: sign reports, send them until they are answered, keep and check the answers.

Start with client.py (what a program uses) or cli.py (the command `slt`); README.md says what a plain publisher in any
language has to do. local/ runs a whole member on this machine.
"""
