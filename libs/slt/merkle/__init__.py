"""RFC 9162 trees, proofs that raise, C2SP signed notes and checkpoints. Pure: bytes in, bytes out."""
