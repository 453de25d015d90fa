"""ingest ⟶ receives the tree of units and their reports over HTTP.

Owns schema `ingest`; publishes the views `platform.unit`, `ingest.current_figure`
and `ingest.published_report`; announces `figures.changed` (for scoring) and
`reports.changed` (for alerts), one event per batch and period.
"""
