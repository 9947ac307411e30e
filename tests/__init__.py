"""The tests, one folder for each kind of thing they touch: see README.md, "Layout"."""
