"""The researcher's side: connect to a league, write studies, hold results."""
