"""Fine and Gray's model of a subdistribution hazard."""
