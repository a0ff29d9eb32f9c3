"""Who gets visitors: rolling restart, clients, warm pages, maintenance."""
