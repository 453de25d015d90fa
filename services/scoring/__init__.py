"""scoring ⟶ turns figures into rates, comparisons with yardsticks, and ranks.

Owns schema `scoring`; consumes `figures.changed`; publishes the view
`scoring.published_scorecard`; announces `scores.changed` (for alerts).
"""
