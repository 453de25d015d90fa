"""Rules judged over past periods: what they would have said, and to whom first."""
