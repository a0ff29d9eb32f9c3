"""logrotate: rotates the logs."""
