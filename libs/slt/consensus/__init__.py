"""How blocks are ordered: one surface, `step(event) -> Effects`, for every trust model; certificates, and their checks.

Pure: no clock, no disk, no network. `services/consensus` is the shell that carries the effects out.
"""
