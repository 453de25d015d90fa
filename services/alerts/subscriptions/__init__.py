"""Who is told: addresses, what each wishes to hear, its secrets, and what became of it.

The same rooms as the service's own; what is sent is made in `messages` and `outbox`,
and sent by `worker`.
"""
