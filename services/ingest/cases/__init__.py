"""Case records: streamed in, kept with their history, and held against the reports.

The same rooms as the service's own; `cases.changed` is announced in `usecases`.
"""
