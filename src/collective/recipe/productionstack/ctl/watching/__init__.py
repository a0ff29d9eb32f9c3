"""How the stack is: status, watchdog, metrics, topology."""
