"""Rules as stewards keep them: drafts, versions, and how they come into force.

A rule's text comes in by API (`usecases`) or by file (`files`) and goes the same way:
it loads, the engine's worker bears it, and who moved it is kept.
"""
