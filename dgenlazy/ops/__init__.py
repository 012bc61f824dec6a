"""The operations, one family a module. Each is one function of one frame."""
