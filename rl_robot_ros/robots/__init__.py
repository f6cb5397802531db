"""One datasheet file per robot; `core.resolve` finds it by its file name."""
