"""One task per file; `core.resolve` finds it by its file name."""
