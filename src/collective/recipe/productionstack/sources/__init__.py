"""What the parts of other recipes mean; one module per recipe that we read."""
