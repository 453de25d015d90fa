"""The three services of dondoc and the one command line that starts them."""
