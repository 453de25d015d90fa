"""What a unit reported, held against what its case records say."""
