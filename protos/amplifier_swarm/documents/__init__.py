"""The JSON documents of the contract's messages: `swarmctl -o json` prints them, swarmd's HTTP answers them."""
