"""What runs inside Zope, started by run.py."""
