"""Rules that watch cases: whole tables by SQL, one matter for all cases of a unit."""
