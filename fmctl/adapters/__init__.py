"""The only modules that touch the network or start processes; `ports` says what the rest may ask of them."""
