"""What every web server shares: pages of its own, applications beside the sites."""
