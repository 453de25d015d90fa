"""What a rule author does at a desk, without a database: check, and test by files."""
