"""What must hold when things break: `python3 dev.py faults [NAME]`."""
