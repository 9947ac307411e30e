"""What every service stands on: settings, start and stop, health, logs, telemetry, the stage loop, durable files.

Start with `run.py` and the README's example service.
"""
