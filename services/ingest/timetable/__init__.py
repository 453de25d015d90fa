"""When reports are due, what came of them, and when a period is closed."""
