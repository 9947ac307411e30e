"""A network on this machine: its keys and genesis (init), its processes (network)."""
