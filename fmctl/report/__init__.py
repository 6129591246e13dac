"""One answer, many views: documents for programs, tables for people. Shared by the commands and the full screen."""
