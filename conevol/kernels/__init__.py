"""Compiled code.  Private: the public functions are in the modules one layer up."""
