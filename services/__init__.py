"""The five services. Each is a program, run as `python -m services.NAME`; none imports another."""
