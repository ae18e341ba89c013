"""The checks of `ocx doctor`: machine, files, network and account."""
