"""Clusters as whole runs: trained once, bought by every offer, described as rows."""
