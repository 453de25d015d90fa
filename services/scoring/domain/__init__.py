"""The thinking of this service: values in, values out; no clock and no I/O."""
