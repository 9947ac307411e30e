"""Reports: reading, writing and judging Code 10 (SG-FM-1172) documents. Pure.

`judge` answers with every problem of a document, and with its facts when it has no errors.
"""
