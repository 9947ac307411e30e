"""Consensus: in which order does everybody see it?"""
