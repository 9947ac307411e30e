"""What tests of several folders stand on: the real broker here, and nothing that belongs to one service."""
