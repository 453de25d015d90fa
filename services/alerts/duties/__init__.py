"""What people do with matters: take note, explain, judge, escalate, exempt."""
