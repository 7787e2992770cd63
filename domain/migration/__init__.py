"""Taking over a country's enrollments from legacy tables: stages, translation, alignment, comparison, writing back."""
