"""A local AWS for rehearsals and tests: moto's server, bent to where the real ParallelCluster runs its whole cycle.

`process` starts, finds and stops it; `client` turns its clock and injects failures. Everything else lives in the server
process and is the only place where moto, flask and werkzeug are imported. What it cannot show: capacity, quotas,
prices, permissions, the boot of an image, the network. CREATE_COMPLETE here says that the real validators, the real
templates and our controller agree with an emulated API.
"""
