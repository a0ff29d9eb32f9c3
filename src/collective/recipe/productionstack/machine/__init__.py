"""The operating system; knows no stack."""
