"""The Python client of Affilia: channel, retries, errors and the feed over the generated stubs."""
