"""What both faces ask: plain values in, an answer out. Nothing here knows how it is typed, shown or confirmed."""
