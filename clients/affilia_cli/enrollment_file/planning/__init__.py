"""The plan: the days before and after for each person, as the file says."""
