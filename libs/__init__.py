"""Libraries of dondoc; `common` is the one that the services share."""
