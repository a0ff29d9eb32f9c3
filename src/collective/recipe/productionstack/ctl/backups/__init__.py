"""Make, judge, restore, send and pack."""
