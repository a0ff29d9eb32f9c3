"""Certificates got from a CA: asked for, judged, taken in, taken back."""
