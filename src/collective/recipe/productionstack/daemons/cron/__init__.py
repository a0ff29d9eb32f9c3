"""cron: the jobs in the user's crontab."""
