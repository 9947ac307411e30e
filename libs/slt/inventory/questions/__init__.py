"""What people ask of the books, answered out of plain rows. Start reading at rows.py.

Pure: rows come through a `Books`, dates and heights as arguments. Each question stands in a file of its own.
"""
