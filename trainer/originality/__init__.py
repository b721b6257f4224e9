"""How much of what a model writes is copied from its training texts."""
