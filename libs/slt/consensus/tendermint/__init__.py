"""The consortium driver: Tendermint, each rule of consensus.md 1.3 to 1.13 under its number. Start with driver.py."""
