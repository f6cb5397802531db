"""One file per algorithm, readable top to bottom; found by name, see `core.resolve`."""
