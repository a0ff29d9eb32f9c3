"""What visitors reach: hosts and sites, their certificates, pages and limits."""
