"""HAProxy: balancer."""
