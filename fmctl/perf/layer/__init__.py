"""What a layer is on one rank: shapes, parameters, FLOPs, bytes moved and kept."""
