"""The faces of other profilers, for an import that is changed in one line."""
