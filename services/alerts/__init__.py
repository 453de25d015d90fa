"""alerts ⟶ applies rules to scorecards, keeps what is owed, tells subscribers.

Owns schema `alerts`; consumes `scores.changed` and `reports.changed`; delivers
signed webhooks from `alerts.delivery`.
"""
