"""The letters played from end to end, on the figures that they print."""
