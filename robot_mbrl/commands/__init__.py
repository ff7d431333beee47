"""The subcommands of `robot-mbrl`, one module each; here the library, the simulators and the nodes are put together."""
